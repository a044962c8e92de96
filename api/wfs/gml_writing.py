"""Features as GML 3.2 (OGC 07-036r1); their geometry is written by the database."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import count
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from api.ows.xml import CITY, GML, PREFIX, WFS, XSI
from layers.definition import LayerDefinition

#: What XML 1.0 cannot hold (production 2).
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_GML_ID = re.compile(r'( gml:id="[^"]*)"')
#: Nothing that is still so ends in the year that stands for it in the database.
_FOREVER_YEAR = 9999

NAMESPACES = f'xmlns:wfs="{WFS}" xmlns:gml="{GML}" xmlns:{PREFIX}="{CITY}" xmlns:xsi="{XSI}"'


def feature(layer: LayerDefinition, record: Mapping[str, Any], fields: Sequence[str]) -> str:
    """Return one feature as an element of its layer's type.

    Args:
        layer: The layer.
        record: As ``CityReader.batches`` yields it, its geometry as GML.
        fields: The fields, all of which the record has.
    """
    name = f"{PREFIX}:{layer.name}"
    parts = [f'<{name} gml:id="{layer.name}.{record["feature_id"]}">']
    geometry = record.get("geometry")
    if geometry is not None:
        parts.append(f"<{PREFIX}:geometry>{_identified(geometry)}</{PREFIX}:geometry>")
    parts.append(value("version", record["version"]))
    parts.append(value("valid_from", record["valid_from"]))
    if record["valid_to"].year != _FOREVER_YEAR:
        parts.append(value("valid_to", record["valid_to"]))
    parts.extend(value(field, record[field]) for field in fields if record[field] is not None)
    parts.append(f"</{name}>")
    return "".join(parts)


def value(field: str, content: Any) -> str:
    """Return one property as an element."""
    return f"<{PREFIX}:{field}>{_text(content)}</{PREFIX}:{field}>"


def property_of(record: Mapping[str, Any], field: str) -> str | None:
    """Return one property of a feature, as an element; ``None`` where it has none."""
    content = record["geometry"] if field == "geometry" else record[field]
    if content is None:
        return None
    if field == "geometry":
        return f"<{PREFIX}:geometry>{_identified(content)}</{PREFIX}:geometry>"
    return value(field, content)


def collection(
    root: str,
    members: Iterable[str],
    *,
    matched: int | None,
    returned: int,
    links: Mapping[str, str],
    schema: str,
) -> bytes:
    """Return a collection of members.

    Args:
        root: ``FeatureCollection`` or ``ValueCollection``.
        members: Elements.
        matched: How many match in all, where that is known.
        returned: How many are here.
        links: Addresses of the pages before (``previous``) and behind (``next``).
        schema: Where the schema of the features is.
    """
    pages = "".join(f" {name}={quoteattr(address)}" for name, address in links.items())
    stamp = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    places = f"{CITY} {schema} {WFS} http://schemas.opengis.net/wfs/2.0/wfs.xsd"
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<wfs:{root} {NAMESPACES} xsi:schemaLocation={quoteattr(places)}"
        f' timeStamp="{stamp}" numberMatched="{"unknown" if matched is None else matched}"'
        f' numberReturned="{returned}"{pages}>'
    )
    inside = "".join(f"<wfs:member>{member}</wfs:member>\n" for member in members)
    return f"{head}\n{inside}</wfs:{root}>\n".encode()


def alone(member: str) -> bytes:
    """Return one feature as a document of its own."""
    end = member.index(" ")
    text = f"{member[:end]} {NAMESPACES}{member[end:]}"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _identified(geometry: str) -> str:
    """Give the parts of a collection ids of their own, where the database repeats the whole's."""
    if not geometry.startswith("<gml:Multi"):
        return geometry
    numbers = count()

    def numbered(match: re.Match[str]) -> str:
        number = next(numbers)
        return f'{match[1]}.{number}"' if number else match[0]

    return _GML_ID.sub(numbered, geometry)


def _text(content: Any) -> str:
    if isinstance(content, bool):
        return "true" if content else "false"
    if isinstance(content, float):
        return repr(content)
    if isinstance(content, datetime):
        return content.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(content, date):
        return content.isoformat()
    return escape(_FORBIDDEN.sub("\ufffd", str(content)))
