"""What a load changed of what tiles show.

A load closes and opens rows for whatever differs. Of those, tiles only show geometry, id and some
fields: a new owner of a parcel changes no tile.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

_EVER = datetime.max.replace(tzinfo=UTC)
#: Columns of a changed row before its content.
CONTENT = 4

#: Valid from, valid to, content.
Span = tuple[datetime, datetime, tuple[Any, ...]]


def touched_shapes(rows: Iterable[Sequence[Any]]) -> set[bytes]:
    """Return the shapes, before and after, of features of which something shown is different.

    Args:
        rows: As ``layers.detail_tiles.changed_rows`` has them: feature id, valid from, valid to
            (``None``: still so), whether opened or closed, WKB, and the fields that are shown.

    Returns:
        WKB, each once.
    """
    return {content[0] for _, content in touched_contents(rows) if content[0] is not None}


def touched_contents(
    rows: Iterable[Sequence[Any]],
) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield the features of which something shown is different, each with what it showed or shows.

    Args:
        rows: As for ``touched_shapes``.

    Yields:
        The feature's id and a content, WKB and fields; a feature comes once for each content.
    """
    features: dict[int, tuple[list[Span], list[Span]]] = defaultdict(lambda: ([], []))
    for row in rows:
        wkb = None if row[CONTENT] is None else bytes(row[CONTENT])
        span = (row[1], row[2] or _EVER, (wkb, *row[CONTENT + 1 :]))
        features[row[0]][bool(row[3])].append(span)
    for feature, (closed, opened) in features.items():
        for content in _differing(closed, opened):
            yield feature, content


def _differing(closed: list[Span], opened: list[Span]) -> Iterator[tuple[Any, ...]]:
    """Yield what was shown and what is shown, at times when these differ."""
    if not closed or not opened:
        yield from (content for _, _, content in (*closed, *opened))
        return
    times = sorted({moment for start, end, _ in (*closed, *opened) for moment in (start, end)})
    for start, _ in pairwise(times):
        before, after = _at(closed, start), _at(opened, start)
        if before != after:
            yield from (content for content in (before, after) if content is not None)


def _at(spans: list[Span], moment: datetime) -> tuple[Any, ...] | None:
    for start, end, content in spans:
        if start <= moment < end:
            return content
    return None
