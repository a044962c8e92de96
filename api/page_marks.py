"""Where pages ended, for clients that page by numbers (``startIndex``) rather than by cursors."""

from collections import OrderedDict
from dataclasses import replace

from layers.feature_query import FeatureQuery

_MOST = 2_000


class PageMarks:
    """Cursors by query, number of features passed, and version of the data; the oldest go first.

    Whoever reads page after page never has the database walk past what was read already.
    """

    def __init__(self) -> None:
        self._cursors: OrderedDict[tuple[FeatureQuery, int, int], str] = OrderedDict()

    def keep(self, query: FeatureQuery, passed: int, version: int, cursor: str) -> None:
        """Remember the cursor behind ``passed`` features."""
        key = _key(query, passed, version)
        self._cursors[key] = cursor
        self._cursors.move_to_end(key)
        while len(self._cursors) > _MOST:
            self._cursors.popitem(last=False)

    def find(self, query: FeatureQuery, passed: int, version: int) -> str | None:
        """Return the cursor behind ``passed`` features, if a page ended there."""
        return self._cursors.get(_key(query, passed, version))


def _key(query: FeatureQuery, passed: int, version: int) -> tuple[FeatureQuery, int, int]:
    return replace(query, after=None, limit=0, fields=None), passed, version
