"""Requests in a query string, as OWS Common has them: names do not depend on case."""

from urllib.parse import parse_qsl

from api.ows.errors import ServiceException

_MOST_PARAMETERS = 100


def read_parameters(query_string: bytes) -> dict[str, str]:
    """Return a query string's parameters by their names in lower case.

    Raises:
        ServiceException: If it is malformed or gives one twice.
    """
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise ServiceException(
            "InvalidParameterValue", "request", "the query string is not UTF-8, percent-encoded"
        ) from None
    parameters: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        if key in parameters:
            raise ServiceException("InvalidParameterValue", name, f"{name[:60]}: given twice")
        if "\0" in value:
            raise ServiceException("InvalidParameterValue", name, f"{name[:60]}: holds a NUL")
        parameters[key] = value
    return parameters
