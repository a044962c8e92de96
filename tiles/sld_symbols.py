"""Symbolizers of SLD 1.0 and of SLD/SE 1.1 from the paint of MapLibre style layers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from PIL import ImageColor

from tiles.sld_filters import Untranslatable, expression_of
from tiles.sprites import ICON_SIZE

SLD = "http://www.opengis.net/sld"
SE = "http://www.opengis.net/se"
XLINK = "http://www.w3.org/1999/xlink"
_RGBA = re.compile(r"rgba\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*([\d.]+)\s*\)")
#: Stands for an icon where a program cannot show the image.
_ICON_COLOR = "#5b6670"
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One version of the encoding."""

    version: str
    #: Namespace of rules and symbolizers, and the name of their parameters.
    symbols: str
    parameter: str

    def tag(self, name: str) -> str:
        """Return the name of an element within a symbolizer or a rule."""
        return f"{{{self.symbols}}}{name}"


SLD_10 = Dialect("1.0.0", SLD, "CssParameter")
SLD_11 = Dialect("1.1.0", SE, "SvgParameter")


@dataclass(frozen=True)
class Drawer:
    """Writes symbolizers in one dialect."""

    dialect: Dialect
    #: Address of the icons; the name and ``.png`` follow.
    icons: str

    def symbolizers(self, kind: str, paint: Values, layout: Values, label: Any) -> list[Element]:
        """Return the symbolizers of a style layer.

        Args:
            kind: The style layer's type.
            paint: Its paint, with plain values.
            layout: Its layout, with plain values.
            label: Its text, as an expression.

        Raises:
            Untranslatable: If there is none for such a layer.
        """
        if kind == "fill":
            return [self._polygon(paint, "fill")]
        if kind == "fill-extrusion":
            return [self._polygon(paint, "fill-extrusion")]
        if kind == "line":
            return [self._line(paint, layout)]
        if kind == "circle":
            return [self._circle(paint)]
        if kind == "symbol":
            icon = [self._icon(layout)] if layout.get("icon-image") else []
            text = [self._text(paint, layout, label)] if label is not None else []
            return [*icon, *text]
        raise Untranslatable(f"style layers of type '{kind}'")

    def _polygon(self, paint: Values, kind: str) -> Element:
        element = Element(self.dialect.tag("PolygonSymbolizer"))
        opacity = float(paint.get(f"{kind}-opacity", 1))
        self._fill(element, paint.get(f"{kind}-color", "#000000"), opacity)
        outline = paint.get("fill-outline-color")
        if outline is not None:
            self._stroke(element, outline, 1.0, opacity)
        return element

    def _line(self, paint: Values, layout: Values) -> Element:
        element = Element(self.dialect.tag("LineSymbolizer"))
        width = float(paint.get("line-width", 1))
        stroke = self._stroke(
            element, paint.get("line-color", "#000000"), width, paint.get("line-opacity", 1)
        )
        for name in ("join", "cap"):
            if f"line-{name}" in layout:
                self._parameter(stroke, f"stroke-line{name}", layout[f"line-{name}"])
        dashes = paint.get("line-dasharray")
        if dashes:
            # MapLibre's dashes are in line widths, SLD's in pixels.
            lengths = " ".join(_number(float(length) * width) for length in dashes)
            self._parameter(stroke, "stroke-dasharray", lengths)
        offset = float(paint.get("line-offset", 0))
        if offset and self.dialect is SLD_11:
            SubElement(element, self.dialect.tag("PerpendicularOffset")).text = _number(-offset)
        return element

    def _circle(self, paint: Values) -> Element:
        opacity = float(paint.get("circle-opacity", 1))
        element, graphic = self._point()
        mark = self._mark(graphic, "circle")
        self._fill(mark, paint.get("circle-color", "#000000"), opacity)
        width = float(paint.get("circle-stroke-width", 0))
        if width:
            self._stroke(mark, paint.get("circle-stroke-color", "#000000"), width, opacity)
        SubElement(graphic, self.dialect.tag("Size")).text = _number(
            2 * float(paint.get("circle-radius", 5))
        )
        return element

    def _icon(self, layout: Values) -> Element:
        tag = self.dialect.tag
        element, graphic = self._point()
        image = SubElement(graphic, tag("ExternalGraphic"))
        href = f"{self.icons}/{layout['icon-image']}.png"
        SubElement(
            image,
            tag("OnlineResource"),
            {f"{{{XLINK}}}type": "simple", f"{{{XLINK}}}href": href},
        )
        SubElement(image, tag("Format")).text = "image/png"
        mark = self._mark(graphic, "circle")
        self._fill(mark, _ICON_COLOR, 1.0)
        size = ICON_SIZE * float(layout.get("icon-size", 1))
        SubElement(graphic, tag("Size")).text = _number(size)
        return element

    def _point(self) -> tuple[Element, Element]:
        element = Element(self.dialect.tag("PointSymbolizer"))
        return element, SubElement(element, self.dialect.tag("Graphic"))

    def _mark(self, graphic: Element, shape: str) -> Element:
        mark = SubElement(graphic, self.dialect.tag("Mark"))
        SubElement(mark, self.dialect.tag("WellKnownName")).text = shape
        return mark

    def _text(self, paint: Values, layout: Values, label: Any) -> Element:
        tag = self.dialect.tag
        element = Element(tag("TextSymbolizer"))
        element.append(self._label(label))
        font = SubElement(element, tag("Font"))
        families = layout.get("text-font") or ["Noto Sans CJK SC"]
        bold = str(families[0]).endswith(" Bold")
        self._parameter(font, "font-family", str(families[0]).removesuffix(" Bold"))
        self._parameter(font, "font-size", _number(float(layout.get("text-size", 16))))
        if bold:
            self._parameter(font, "font-weight", "bold")
        placement = SubElement(element, tag("LabelPlacement"))
        if str(layout.get("symbol-placement", "point")).startswith("line"):
            SubElement(placement, tag("LinePlacement"))
        else:
            anchor = SubElement(SubElement(placement, tag("PointPlacement")), tag("AnchorPoint"))
            SubElement(anchor, tag("AnchorPointX")).text = "0.5"
            SubElement(anchor, tag("AnchorPointY")).text = "0.5"
        width = float(paint.get("text-halo-width", 0))
        if width:
            halo = SubElement(element, tag("Halo"))
            SubElement(halo, tag("Radius")).text = _number(width)
            self._fill(halo, paint.get("text-halo-color", "#ffffff"), 1.0)
        self._fill(element, paint.get("text-color", "#000000"), 1.0)
        return element

    def _label(self, label: Any) -> Element:
        element = Element(self.dialect.tag("Label"))
        before: Element | None = None
        for part in _label_parts(label):
            if isinstance(part, str):
                if before is None:
                    element.text = (element.text or "") + part
                else:
                    before.tail = (before.tail or "") + part
            else:
                before = expression_of(part)
                element.append(before)
        if before is None:
            raise Untranslatable("a label without a field")
        return element

    def _fill(self, parent: Element, color: Any, opacity: float) -> None:
        code, alpha = _color(color)
        fill = SubElement(parent, self.dialect.tag("Fill"))
        self._parameter(fill, "fill", code)
        if alpha * opacity < 1:
            self._parameter(fill, "fill-opacity", _number(alpha * opacity))

    def _stroke(self, parent: Element, color: Any, width: float, opacity: float) -> Element:
        code, alpha = _color(color)
        stroke = SubElement(parent, self.dialect.tag("Stroke"))
        self._parameter(stroke, "stroke", code)
        self._parameter(stroke, "stroke-width", _number(width))
        if alpha * opacity < 1:
            self._parameter(stroke, "stroke-opacity", _number(alpha * opacity))
        return stroke

    def _parameter(self, parent: Element, name: str, value: str) -> None:
        tag = self.dialect.tag(self.dialect.parameter)
        SubElement(parent, tag, {"name": name}).text = str(value)


def _label_parts(label: Any) -> list[Any]:
    """Return a label as texts and expressions, one after the other."""
    if not isinstance(label, list):
        return [str(label)]
    name, arguments = label[0], label[1:]
    if name == "concat":
        return [part for argument in arguments for part in _label_parts(argument)]
    if name == "coalesce":
        return _label_parts(arguments[0])
    if name in ("to-string", "round", "slice", "format", "case"):
        # A number's form, or a text's part: the field itself says as much.
        fields = [part for part in _fields(arguments)]
        if len(fields) == 1:
            return [fields[0]]
        raise Untranslatable(f"a label with '{name}'")
    return [label]


def _fields(arguments: list[Any]) -> list[Any]:
    found: list[Any] = []
    for argument in arguments:
        if isinstance(argument, list):
            is_field = argument[:1] == ["get"]
            found.extend([argument] if is_field else _fields(argument))
    return found


def _number(value: float) -> str:
    return f"{round(value, 3):g}"


def _color(value: Any) -> tuple[str, float]:
    """Return a colour as ``#rrggbb`` and an opacity.

    Raises:
        Untranslatable: If it is none.
    """
    match = _RGBA.fullmatch(str(value))
    try:
        if match is not None:
            red, green, blue = (int(part) for part in match.groups()[:3])
            return f"#{red:02x}{green:02x}{blue:02x}", float(match[4])
        channels = ImageColor.getrgb(str(value))
    except ValueError as error:
        raise Untranslatable(f"the colour {value!r}") from error
    code = "#" + "".join(f"{channel:02x}" for channel in channels[:3])
    return code, channels[3] / 255 if len(channels) == 4 else 1.0
