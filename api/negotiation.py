"""Which representation of a resource a client wants: ``f=`` first, then ``Accept``."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.errors import InvalidParameter


@dataclass(frozen=True, slots=True)
class Representation:
    """One form of a resource."""

    #: Values of ``f`` that ask for it; the first is the usual one.
    tokens: tuple[str, ...]
    #: Media types of ``Accept`` that ask for it; the first is the one it has.
    media_types: tuple[str, ...]

    @property
    def media_type(self) -> str:
        """The media type it is sent as."""
        return self.media_types[0]


JSON = Representation(("json",), ("application/json",))
HTML = Representation(("html",), ("text/html", "application/xhtml+xml"))
#: What documents about the service come in.
DOCUMENT_FORMS = (JSON, HTML)


def choose(
    forms: Sequence[Representation], accept: str | None, wanted: str | None
) -> Representation:
    """Return the representation to send; the first of ``forms`` where the client is open.

    Raises:
        InvalidParameter: If ``f`` names none of them.
    """
    if wanted is not None:
        for form in forms:
            if wanted in form.tokens:
                return form
        known = ", ".join(token for form in forms for token in form.tokens)
        raise InvalidParameter(f"f: '{wanted}' is not one of {known}")
    best, best_weight = forms[0], 0.0
    for media_range, weight in _ranges(accept or "*/*"):
        form_found = _first_match(forms, media_range)
        if form_found is not None and weight > best_weight:
            best, best_weight = form_found, weight
    return best


def _first_match(forms: Sequence[Representation], media_range: str) -> Representation | None:
    if media_range == "*/*":
        return forms[0]
    group = media_range.removesuffix("*") if media_range.endswith("/*") else None
    for form in forms:
        for media_type in form.media_types:
            if media_type == media_range or (group and media_type.startswith(group)):
                return form
    return None


def _ranges(accept: str) -> list[tuple[str, float]]:
    """Return the media ranges of ``Accept`` and their weights; what cannot be read is left out."""
    ranges = []
    for part in accept.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        ranges.append((media_range, weight))
    return ranges
