"""XML that clients send: read without entities, within limits."""

from io import BytesIO
from xml.etree import ElementTree as ET

from api.ows.errors import ServiceException
from etl.xml_heads import check_prolog
from layers.errors import LoadRefused

MOST_BYTES = 1 << 20
_MOST_DEPTH = 64
_MOST_ELEMENTS = 20_000


def read_xml(text: bytes, locator: str) -> ET.Element:
    """Read a document.

    Args:
        text: The document.
        locator: The parameter that it stands in.

    Raises:
        ServiceException: If it is no XML, declares a document type, is too large or too deep.
    """
    if len(text) > MOST_BYTES:
        raise ServiceException(
            "InvalidParameterValue", locator, f"{locator}: larger than {MOST_BYTES} bytes"
        )
    try:
        check_prolog(BytesIO(text), locator)
        root = ET.fromstring(text)  # noqa: S314 -- a document type is refused above
    except LoadRefused as error:
        raise ServiceException("OperationParsingFailed", locator, str(error)) from None
    except (ET.ParseError, ValueError, LookupError) as error:
        reason = str(error)[:200]
        text_ = f"{locator}: is not well-formed XML: {reason}"
        raise ServiceException("OperationParsingFailed", locator, text_) from None
    _check_size(root, locator)
    return root


def _check_size(root: ET.Element, locator: str) -> None:
    left, seen = [(root, 1)], 0
    while left:
        node, depth = left.pop()
        seen += 1
        if depth > _MOST_DEPTH or seen > _MOST_ELEMENTS:
            raise ServiceException(
                "InvalidParameterValue",
                locator,
                f"{locator}: nests deeper than {_MOST_DEPTH} levels or has more than "
                f"{_MOST_ELEMENTS} elements",
            )
        left.extend((child, depth + 1) for child in node)
