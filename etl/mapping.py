"""Mappings: how a department's file becomes a layer's rows, as ``data/mappings/NAME.yaml`` says.

Without a mapping, columns find their fields by name and alias, in any case. A mapping adds to that:
it renames, gives constants and expressions, translates codes and converts units. The language is
told in ``docs/mappings.md``.
"""

import re
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    field_validator,
    model_validator,
)

from etl.reader import CoordinateColumns
from gis.times import parse_instant
from gis.units import conversion, unit_of
from layers.definition import Identifier
from layers.errors import LoadRefused
from layers.expressions import Expression, parse_expression
from layers.yaml_source import line_of, load_model

Scalar = str | int | float | bool
#: Stands in templates for the number of the row in the file.
ROW_NUMBER = "row"
#: Stands for the names of a code list's codes, where a file has those instead of the codes.
NAMES = "names"
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
#: What can be taken from a geometry, and its unit; see ``etl/measures.py``.
MEASURE_UNITS = {
    "area": "m2",
    "length": "m",
    "perimeter": "m",
    "centroid_x": "deg",
    "centroid_y": "deg",
    "inner_x": "deg",
    "inner_y": "deg",
    "z_min": "m",
    "z_max": "m",
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _by_text(value: object) -> object:
    # YAML reads unquoted digits as numbers; values are compared as text.
    return {str(key): to for key, to in value.items()} if isinstance(value, dict) else value


ByText = Annotated[dict[str, Scalar], BeforeValidator(_by_text)]


class SchemeCodes(_Strict):
    """A translation between code lists; see ``layers/code_translation.py``."""

    #: The code list of the file's values; or ``names``: they are names of the layer's codes.
    source: Identifier = Field(alias="from")
    #: The code list to translate to; without one, that of the field.
    target: Identifier | None = Field(default=None, alias="to")
    #: This survey's own decisions: where the translation leaves a choice, or against it.
    choose: ByText = Field(default_factory=dict)


class UnitChange(_Strict):
    """From the unit of the file's values to that of the field."""

    source: str = Field(alias="from")
    target: str = Field(alias="to")

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        conversion(self.source, self.target)
        return self


def _codes_kind(value: Any) -> str:
    if isinstance(value, SchemeCodes) or (isinstance(value, dict) and "from" in value):
        return "scheme"
    return "values"


class FieldRule(_Strict):
    """Where the values of one field come from, and what happens to them on the way.

    Exactly one of ``from``, ``constant``, ``template``, ``expression`` and ``geometry`` names the
    source. Then, in this order: ``null`` values vanish, ``replace`` mends text, ``codes``
    translate, values become those of the field's type, ``unit``, or ``scale`` and ``offset``,
    converts them, ``default`` fills what is empty.
    """

    column: str | None = Field(default=None, alias="from")
    constant: Scalar | None = None
    #: Text with column names in braces; ``{row}`` is the row's number. Null if any part is.
    template: str | None = None
    #: Computed from other columns; see ``layers/expressions.py``.
    expression: str | None = None
    #: Computed from the geometry on the CGCS2000 ellipsoid, in the unit of the field.
    geometry: (
        Literal[
            "area",
            "length",
            "perimeter",
            "centroid_x",
            "centroid_y",
            "inner_x",
            "inner_y",
            "z_min",
            "z_max",
        ]
        | None
    ) = None
    #: Values that mean "unknown" in this file, as text.
    null: tuple[Scalar, ...] = ()
    #: The file's value, as text, to the layer's; or from one code list to another.
    codes: Annotated[
        Annotated[SchemeCodes, Tag("scheme")] | Annotated[ByText, Tag("values")],
        Discriminator(_codes_kind),
    ] = Field(default_factory=dict)
    #: What ``codes`` makes of values it does not list. Without it they pass as they are, or, if
    #: code lists are named, are refused.
    otherwise: Scalar | None = None
    #: Pieces of text to be replaced, such as broken escapes or footnote marks.
    replace: dict[str, str] = Field(default_factory=dict)
    default: Scalar | None = None
    scale: float | None = None
    offset: float | None = None
    #: The unit of the values, to be converted to the field's; or from one unit to another.
    unit: str | UnitChange | None = None
    #: How dates are written, as for ``strptime``.
    format: str | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        sources = (self.column, self.constant, self.template, self.expression, self.geometry)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("give exactly one of from, constant, template, expression, geometry")
        if self.unit is not None and (self.scale is not None or self.offset is not None):
            raise ValueError("give either unit, or scale and offset")
        if self.unit is not None and self.geometry is not None:
            raise ValueError("what a geometry measures comes in the field's unit by itself")
        if self.otherwise is not None and not self.codes:
            raise ValueError("otherwise stands beside codes")
        return self

    @field_validator("expression")
    @classmethod
    def _expression_parses(cls, value: str | None) -> str | None:
        if value is not None:
            parse_expression(value)
        return value

    @field_validator("unit")
    @classmethod
    def _unit_exists(cls, value: str | UnitChange | None) -> str | UnitChange | None:
        if isinstance(value, str):
            unit_of(value)
        return value

    @field_validator("template")
    @classmethod
    def _template_parses(cls, value: str | None) -> str | None:
        if value is not None:
            split_template(value)
        return value

    @cached_property
    def parsed(self) -> Expression | None:
        """The expression, read."""
        return parse_expression(self.expression) if self.expression is not None else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the file that the values come from."""
        if self.column is not None:
            return (self.column,)
        if self.template is not None:
            names = [name for _, name in split_template(self.template)]
            return tuple(name for name in names if name is not None and name != ROW_NUMBER)
        return self.parsed.names if self.parsed is not None else ()


class Coordinates(_Strict):
    """Which columns of a table hold the position; see :class:`etl.reader.CoordinateColumns`."""

    wkt: str | None = None
    x: str | None = None
    y: str | None = None
    z: str | None = None
    order: Literal["en", "ne"] | None = None

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        if (self.wkt is None) == (self.x is None) or (self.x is None) != (self.y is None):
            raise ValueError("give either wkt, or x and y")
        return self

    def columns(self) -> CoordinateColumns:
        """Return them as the reader takes them."""
        return CoordinateColumns(self.wkt, self.x, self.y, self.z, self.order)


class Heights(_Strict):
    """Heights from attributes, for layers with Z whose survey keeps them beside the geometry.

    A line runs evenly from ``start`` to ``end``; without ``end`` it is level.
    """

    start: str
    end: str | None = None
    #: Metres per unit of the attribute.
    scale: float | None = None
    #: The unit of the attribute, such as ``ftUS``; metres without either.
    unit: str | None = None
    #: Values that mean "unknown", as numbers.
    null: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _has_one_unit(self) -> Self:
        if self.unit is not None and self.scale is not None:
            raise ValueError("give either unit or scale")
        if self.unit is not None:
            conversion(self.unit, "m")
        return self

    @property
    def metres(self) -> float:
        """Metres per unit of the attribute."""
        if self.unit is not None:
            return conversion(self.unit, "m").scale
        return 1.0 if self.scale is None else self.scale

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the file that the heights come from."""
        return tuple(name for name in (self.start, self.end) if name is not None)


class Mapping(_Strict):
    """A mapping file."""

    _path: Path | None = PrivateAttr(default=None)

    layer: Identifier
    #: What the file is and where it comes from.
    source: str = Field(min_length=1)
    source_layer: str | None = None
    crs: str | None = None
    encoding: str | None = None
    coordinates: Coordinates | None = None
    heights: Heights | None = None
    #: ``inner_point``: areas and lines become a point inside them, for a layer of points.
    shape: Literal["inner_point"] | None = None
    valid_from: str | None = None
    #: The survey may lie outside the area its CRS is made for.
    anywhere: bool = False
    #: What this survey's rows are checked for differently: name of a check of the layer to another
    #: severity, or ``off``.
    checks: dict[Identifier, Literal["error", "warning", "off"]] = Field(default_factory=dict)
    #: Share of bad rows up to which the load is accepted, 0 to 1.
    max_bad: float | None = Field(default=None, ge=0, le=1)
    fields: dict[
        Identifier,
        Annotated[
            FieldRule,
            BeforeValidator(lambda rule: {"from": rule} if isinstance(rule, str) else rule),
        ],
    ] = Field(default_factory=dict)

    @field_validator("valid_from")
    @classmethod
    def _is_a_time(cls, value: str | None) -> str | None:
        if value is not None:
            parse_instant(value)
        return value

    @property
    def start(self) -> datetime | None:
        """The valid time the mapping gives, if any."""
        return parse_instant(self.valid_from) if self.valid_from is not None else None

    def come_from(self, path: Path) -> None:
        """Remember the file the mapping was read from, so that its faults can be placed."""
        self._path = path

    def fault(self, message: str, *location: str) -> LoadRefused:
        """Return the refusal of a load for a fault of this mapping.

        Args:
            message: What is wrong.
            location: The keys that lead to it.
        """
        where = ".".join(location)
        if self._path is None:
            return LoadRefused(f"the mapping: {where}: {message}")
        line = line_of(self._path, location)
        return LoadRefused(f"{self._path.name}:{line}: {where}: {message}")


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises:
        LoadRefused: If there is no such file.
        DefinitionError: If it is wrong; the message names file, line and field.
    """
    if not path.is_file():
        raise LoadRefused(f"{path}: there is no such mapping")
    mapping = load_model(path, Mapping)
    mapping.come_from(path)
    return mapping


def split_template(template: str) -> list[tuple[str, str | None]]:
    """Split a template into (literal text, column name or ``None``) pairs.

    Raises:
        ValueError: If its braces do not match.
    """
    parts = _PLACEHOLDER.split(template)
    if any(brace in literal for literal in parts[::2] for brace in "{}"):
        raise ValueError("a template holds column names in single braces, nothing more")
    names: list[str | None] = [*parts[1::2], None]
    return list(zip(parts[::2], names, strict=True))
