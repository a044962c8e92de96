"""Styles as OGC API Styles (draft 20-009) has them: lists, descriptions, legends."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from api.html import anchor, any_value
from api.links import Link, link
from api.records import THEME_NAMES, both
from layers.access import Viewer, access_class, may_know
from layers.catalogue import Catalogue
from layers.definition import Bilingual, LayerDefinition
from layers.errors import UnknownMap
from layers.map_definition import MapDefinition
from tiles.legends import Entry, layer_legend

STYLES_REL = "http://www.opengis.net/def/rel/ogc/1.0/styles"
MAPBOX = "application/vnd.mapbox.style+json"
SLD_10 = "application/vnd.ogc.sld+xml;version=1.0"
SLD_11 = "application/vnd.ogc.sld+xml;version=1.1"
_JSON, _HTML = "application/json", "text/html"
#: Token of ``f``, media type and name of each encoding.
_ENCODINGS = (("mapbox", MAPBOX, "Mapbox/MapLibre"), ("sld10", SLD_10, "SLD 1.0"),
              ("sld11", SLD_11, "SLD/SE 1.1"))  # fmt: skip
#: How the ids of layers' own styles begin; those of maps are the maps' names.
OF_LAYER = "layer."


@dataclass(frozen=True)
class Style:
    """A style: that of a map, or of one layer."""

    id: str
    title: Bilingual
    abstract: Bilingual
    #: Its layers from bottom to top, without those that the viewer may not know of.
    layers: tuple[LayerDefinition, ...]
    map: MapDefinition | None


def all_styles(catalogue: Catalogue, viewer: Viewer) -> list[Style]:
    """Return the styles of all maps, then of all layers that are drawn."""
    maps = [map_style(catalogue, entry, viewer) for entry in catalogue.maps.values()]
    known = (catalogue.layers[name] for name in catalogue.layer_names)
    return [
        *maps,
        *(layer_style(layer) for layer in known if layer.style and may_know(layer, viewer)),
    ]


def map_style(catalogue: Catalogue, city_map: MapDefinition, viewer: Viewer) -> Style:
    """Return the style of a map."""
    layers = (catalogue.layer(entry.layer) for entry in city_map.layers)
    drawn = tuple(layer for layer in layers if layer.style and may_know(layer, viewer))
    return Style(city_map.name, city_map.title, city_map.abstract, drawn, city_map)


def layer_style(layer: LayerDefinition) -> Style:
    """Return the style of one layer."""
    return Style(f"{OF_LAYER}{layer.name}", layer.title, layer.abstract, (layer,), None)


def find_style(catalogue: Catalogue, name: str, viewer: Viewer) -> Style:
    """Return the style of that id.

    Raises:
        UnknownMap: If there is none, or not for this viewer.
    """
    for style in all_styles(catalogue, viewer):
        if style.id == name:
            return style
    raise UnknownMap(f"there is no style '{name}'")


def encodings(style: Style) -> tuple[tuple[str, str, str], ...]:
    """Return token, media type and name of each encoding of a style.

    SLD has no way to draw by kind of geometry, as a layer of any geometry needs.
    """
    mixed = len(style.layers) == 1 and style.layers[0].geometry.mixed
    return _ENCODINGS[:1] if mixed else _ENCODINGS


def style_entry(style: Style, address: str) -> dict[str, Any]:
    """Return a style as lists and descriptions have it.

    Args:
        style: The style.
        address: Of the styles beside which it stands.
    """
    themes = dict.fromkeys(layer.theme for layer in style.layers)
    here = f"{address}/{style.id}"
    links: list[Link] = [
        link(f"{here}?f={token}", "stylesheet", media_type, f"{both(style.title)} ({name})")
        for token, media_type, name in encodings(style)
    ]
    links += [
        link(f"{here}/metadata", "describedby", _JSON, "Description"),
        link(f"{here}/legend", "legend", _JSON, "图例 / Legend"),
        link(f"{here}/legend?f=html", "legend", _HTML, "图例 / Legend"),
    ]
    return {
        "id": style.id,
        "title": both(style.title),
        "description": f"{style.abstract.zh}\n{style.abstract.en}",
        "keywords": [word for theme in themes
                     for word in (THEME_NAMES[theme].zh, THEME_NAMES[theme].en)],
        "featureTypes": [layer.name for layer in style.layers],
        "formats": [{"name": name, "mediaType": kind} for _, kind, name in encodings(style)],
        "links": links,
    }  # fmt: skip


def style_metadata(style: Style, viewer: Viewer, address: str, home: str) -> dict[str, Any]:
    """Return a style's description, with its layers and where features of each are found."""
    value = style_entry(style, address)
    value["layers"] = [
        {
            "id": layer.name,
            "title": both(layer.title),
            "type": ("point", "line", "polygon")[layer.geometry.dimension],
            "attributes": list(access_class(layer, viewer).fields),
            "sampleData": link(
                f"{home}/collections/{layer.name}/items", "data", "application/geo+json",
                both(layer.title),
            ),
        }
        for layer in style.layers
    ]  # fmt: skip
    return value


def legend_document(style: Style, catalogue: Catalogue) -> dict[str, Any]:
    """Return what the signs of a style mean; see ``layer_legend``."""
    return {
        "title": both(style.title),
        "layers": [
            {
                "name": layer.name,
                "title": layer.title.model_dump(),
                "entries": layer_legend(layer, catalogue),
            }
            for layer in style.layers
        ],
    }


_STYLE = """<style>
ul.legend { list-style: none; padding: 0; columns: 18rem; } ul.legend li { break-inside: avoid; }
ul.legend svg { width: 28px; height: 16px; vertical-align: -3px; margin-right: .5rem; }
ul.legend img { width: 18px; height: 18px; vertical-align: -4px; margin: 0 .8rem 0 .3rem; }
</style>"""


def legend_page(style: Style, catalogue: Catalogue, links: Sequence[Link], base: str) -> str:
    """Return a style's legend as HTML, with the addresses of its encodings."""
    parts = [_STYLE]
    for layer in style.layers:
        entries = "".join(_entry(entry, base) for entry in layer_legend(layer, catalogue))
        name = anchor(f"{base}/api/styles/{OF_LAYER}{layer.name}?f=html", both(layer.title))
        parts.append(f'<h2>{name}</h2><ul class="legend">{entries}</ul>')
    return f"{''.join(parts)}<h2>链接 / Links</h2>{any_value(list(links))}"


def _entry(entry: Entry, base: str) -> str:
    title = escape(f"{entry['title']['zh']} / {entry['title']['en']}")
    if entry["kind"] == "icon":
        address = escape(f"{base}/sprites/icons/{entry['icon']}.png")
        return f'<li><img src="{address}" alt="">{title}</li>'
    return f"<li><svg>{_sign(entry)}</svg>{title}</li>"


def _sign(entry: Entry) -> str:
    color = escape(str(entry.get("color", "none")))
    opacity = escape(str(entry.get("opacity", 1)))
    outline = escape(str(entry.get("outline", "none")))
    if entry["kind"] == "line":
        return f'<path d="M1 8h26" stroke="{color}" stroke-opacity="{opacity}" stroke-width="2.5"/>'
    shape = (
        '<circle cx="14" cy="8" r="6"'
        if entry["kind"] == "circle"
        else ('<rect x="1" y="1" width="26" height="14"')
    )
    return f'{shape} fill="{color}" fill-opacity="{opacity}" stroke="{outline}"/>'
