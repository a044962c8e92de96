"""Pictures of a tile, drawn by a MapLibre style."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from tiles.pictures.painting import Canvas
from tiles.pictures.shapes import Shape, Window, tile_shapes
from tiles.pictures.symbols import SymbolLayer, place_symbols
from tiles.pictures.values import StyleValue, read_color, with_opacity

#: Pixels along an edge of a picture, and of the sheet of four that is drawn at once.
PICTURE = 256
SHEET = 512
#: Pixels drawn along one of the picture.
_OVERSAMPLING = 2
#: Deflate, quick and nearly as small as the best.
_COMPRESSION = 4
_CLEAR = (0, 0, 0, 0)
Style = Mapping[str, Any]


def draw_sheet(tile: bytes, style: Sequence[Style], zoom: float, window: Window) -> Image.Image:
    """Return a picture of ``SHEET`` pixels along an edge.

    Args:
        tile: A vector tile before compression; empty for none.
        style: The layers of a composed style; what is hidden at first is left out. Without a
            background the picture is clear where nothing is.
        zoom: MapLibre's zoom, by which the style's sizes go.
        window: Which part of the tile the picture shows.

    Raises:
        ValueError: If the bytes are no vector tile.
    """
    entries = [entry for entry in style if _is_shown(entry, zoom)]
    wanted = frozenset(entry["source-layer"] for entry in entries if "source-layer" in entry)
    shapes = tile_shapes(tile, window, wanted)
    canvas = Canvas(SHEET, _OVERSAMPLING, _background(entries, zoom))
    chosen = [
        _chosen(entry, shapes.get(entry.get("source-layer", ""), []), zoom) for entry in entries
    ]
    places = [place for place, entry in enumerate(entries) if entry["type"] == "symbol"]
    symbols = [(SymbolLayer(entries[place], zoom), chosen[place]) for place in places]
    stamps = dict(zip(places, place_symbols(symbols, SHEET), strict=True))
    painted = [place for place in range(len(entries)) if place not in stamps and chosen[place]]
    covered = max(painted, default=-1)
    for place, entry in enumerate(entries):
        if place not in stamps:
            canvas.paint(entry, chosen[place], zoom)
        elif place < covered:
            canvas.stamp(stamps[place])
    picture = canvas.picture()
    # What nothing covers is sharper at the picture's own size.
    for place in places:
        if place > covered:
            for stamp in stamps[place]:
                stamp.put(picture)
    return picture


def quarters(sheet: Image.Image) -> tuple[bytes, bytes, bytes, bytes]:
    """Return a sheet as four PNGs: left and right above, left and right below."""
    found = []
    for top in (0, PICTURE):
        for left in (0, PICTURE):
            found.append(_png(sheet.crop((left, top, left + PICTURE, top + PICTURE))))
    return (found[0], found[1], found[2], found[3])


def _png(picture: Image.Image) -> bytes:
    least, _ = picture.getchannel("A").getextrema()
    stream = io.BytesIO()
    # The canvas is premultiplied; PNG is not.
    plain = picture.convert("RGB") if least == 255 else _plain(picture)
    plain.save(stream, "PNG", compress_level=_COMPRESSION)
    return stream.getvalue()


def _plain(picture: Image.Image) -> Image.Image:
    raw = Image.frombytes("RGBa", picture.size, picture.tobytes())
    return raw.convert("RGBA")


def _is_shown(entry: Style, zoom: float) -> bool:
    if entry.get("layout", {}).get("visibility") == "none":
        return False
    return bool(entry.get("minzoom", 0) <= zoom < entry.get("maxzoom", 99))


def _background(entries: list[Style], zoom: float) -> tuple[int, int, int, int]:
    for entry in entries:
        if entry["type"] == "background":
            paint = entry.get("paint", {})
            color = StyleValue(paint.get("background-color"), zoom, "#000000").of({})
            opacity = StyleValue(paint.get("background-opacity"), zoom, 1).of({})
            return with_opacity(read_color(str(color)), opacity)
    return _CLEAR


def _chosen(entry: Style, shapes: list[Shape], zoom: float) -> list[Shape]:
    if "filter" not in entry:
        return shapes
    test = StyleValue(entry["filter"], zoom, False)
    return [shape for shape in shapes if test.of(shape.attributes)]
