"""Hooks for Schemathesis: what the standards want answered although the definition limits it."""

from typing import Any

import schemathesis

#: More features than any resource gives at once.
MOST = 10_000


@schemathesis.hook
def filter_query(context: Any, query: Any) -> bool:
    """Leave out limits above the maximum: they are answered with the maximum.

    OGC 17-069r4, requirement 22: larger values shall not result in an error.
    """
    limit = str((query or {}).get("limit", ""))
    return not (limit.isascii() and limit.isdigit() and len(limit) < 10 and int(limit) > 100)
