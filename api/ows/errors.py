"""Exception reports (OGC 06-121r9, clause 8) of the classic services."""

from dataclasses import dataclass

import orjson

from api.ows.xml import document, element
from api.problems import problem_of

#: HTTP status → exception code, for what the rest of the service refuses.
_CODES = {404: "NotFound", 400: "InvalidParameterValue", 413: "RequestTooLarge"}


class ServiceException(Exception):
    """A request that a classic service refuses.

    Args:
        code: The standard's exception code, such as ``MissingParameterValue``.
        locator: The parameter or element at fault.
        text: What is wrong, in one sentence.
    """

    def __init__(self, code: str, locator: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.locator = locator


@dataclass(frozen=True, slots=True)
class ExceptionReport:
    """A report, ready to be sent."""

    status: int
    body: bytes
    #: Beside the content type.
    headers: tuple[tuple[str, str], ...] = ()


def exception_report(error: Exception, version: str, request_id: str) -> ExceptionReport:
    """Return the report of an error, which tells no more than a problem document would.

    Args:
        error: What was raised.
        version: Of the service, such as ``2.0.0``.
        request_id: By which operators find it.
    """
    headers: tuple[tuple[str, str], ...] = ()
    if isinstance(error, ServiceException):
        code, locator, text = error.code, error.locator, str(error)
        status = 404 if code == "NotFound" else 400
    else:
        problem = problem_of(error, "", request_id)
        status = problem.status
        headers = tuple(pair for pair in problem.headers if pair[0] != "content-type")
        code, locator = _CODES.get(status, "NoApplicableCode"), "request"
        text = orjson.loads(problem.body)["detail"]
    root = element(None, "ows:ExceptionReport", version=version)
    root.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
    told = element(root, "ows:Exception", exceptionCode=code, locator=locator)
    element(told, "ows:ExceptionText", text)
    return ExceptionReport(status, document(root), headers)
