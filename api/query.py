"""Strict reading of query strings: a parameter that is unknown or given twice is an error."""

from collections.abc import Collection
from urllib.parse import parse_qsl

from api.errors import InvalidParameter, UnknownParameter

#: More parameters than any resource has.
_MOST_PARAMETERS = 100


def read_query(query_string: bytes, known: Collection[str]) -> dict[str, str]:
    """Return the parameters of a query string.

    Args:
        query_string: As it stands in the address after ``?``.
        known: The names that the resource knows.

    Raises:
        UnknownParameter: If a name is not among them.
        InvalidParameter: If the query string is malformed or gives a parameter twice.
    """
    if not query_string:
        return {}
    if query_string.count(b"&") >= _MOST_PARAMETERS:
        raise InvalidParameter(f"more than {_MOST_PARAMETERS} parameters")
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
        )
    except ValueError as error:
        raise InvalidParameter("the query string is not UTF-8, percent-encoded") from error
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise UnknownParameter(f"there is no parameter '{name}' here")
        if name in parameters:
            raise InvalidParameter(f"{name}: given twice")
        if "\0" in value:
            raise InvalidParameter(f"{name}: holds a NUL character")
        parameters[name] = value
    return parameters
