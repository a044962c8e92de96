"""Ids of features, as addresses have them."""

from layers.errors import FeatureNotFound

_MOST_DIGITS = 18


def feature_number(layer: str, text: str) -> int:
    """Read a feature's id; whatever is no number is the id of no feature.

    Raises:
        FeatureNotFound: If it is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise FeatureNotFound(f"{layer} has no feature '{text}'")
    return int(text)
