"""Mappings: how a department's file becomes a layer's rows, as ``data/mappings/NAME.yaml`` says.

Without a mapping, columns find their fields by name and alias, in any case. A mapping adds to that:
it renames, gives constants, translates codes, joins values and converts units.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from etl.reader import CoordinateColumns
from gis.times import parse_instant
from layers.definition import FieldDefinition, Identifier, LayerDefinition
from layers.errors import LoadRefused, UnknownField
from layers.yaml_source import load_model

Scalar = str | int | float | bool
#: Stands in templates for the number of the row in the file.
ROW_NUMBER = "row"
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class FieldRule(_Strict):
    """Where the values of one field come from, and what happens to them on the way.

    Exactly one of ``from``, ``constant``, ``template`` and ``geometry`` names the source. Then, in
    this order: ``null`` values vanish, ``replace`` mends text, ``codes`` translate, ``scale`` and
    ``offset`` convert units, ``default`` fills what is empty.
    """

    column: str | None = Field(default=None, alias="from")
    constant: Scalar | None = None
    #: Text with column names in braces; ``{row}`` is the row's number. Null if any part is.
    template: str | None = None
    #: Computed from the geometry on the CGCS2000 ellipsoid: square metres or metres.
    geometry: Literal["area", "length"] | None = None
    #: Values that mean "unknown" in this file, as text.
    null: tuple[Scalar, ...] = ()
    #: The file's value, as text, to the layer's.
    codes: dict[str, Scalar] = Field(default_factory=dict)
    #: What ``codes`` makes of values it does not list; without it they pass as they are.
    otherwise: Scalar | None = None
    #: Pieces of text to be replaced, such as broken escapes or footnote marks.
    replace: dict[str, str] = Field(default_factory=dict)
    default: Scalar | None = None
    scale: float | None = None
    offset: float | None = None
    #: How dates are written, as for ``strptime``.
    format: str | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        sources = (self.column, self.constant, self.template, self.geometry)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("give exactly one of from, constant, template and geometry")
        return self

    @field_validator("codes", mode="before")
    @classmethod
    def _codes_by_text(cls, value: object) -> object:
        # YAML reads unquoted digits as numbers; values are compared as text.
        return {str(key): to for key, to in value.items()} if isinstance(value, dict) else value

    @field_validator("template")
    @classmethod
    def _template_parses(cls, value: str | None) -> str | None:
        if value is not None:
            split_template(value)
        return value


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
    #: Metres per unit of the attribute (0.3048006096 for US survey feet).
    scale: float = 1.0
    #: Values that mean "unknown", as numbers.
    null: tuple[float, ...] = ()


class Mapping(_Strict):
    """A mapping file."""

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


@dataclass(frozen=True)
class ColumnPlan:
    """How one field is filled from one source."""

    field: FieldDefinition
    rule: FieldRule


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises:
        LoadRefused: If there is no such file.
        DefinitionError: If it is wrong; the message names file, line and field.
    """
    if not path.is_file():
        raise LoadRefused(f"{path}: there is no such mapping")
    return load_model(path, Mapping)


def plan_columns(
    layer: LayerDefinition, mapping: Mapping | None, columns: tuple[str, ...]
) -> list[ColumnPlan]:
    """Decide for every field of the layer which column fills it.

    Args:
        layer: The layer to load into.
        mapping: What the mapping says, which comes first.
        columns: The source's columns.

    Returns:
        A plan for each field that has a source; the others stay null.

    Raises:
        UnknownField: If the mapping names a field that the layer has not.
        LoadRefused: If it names a column that the source has not, or a required field has none.
    """
    rules = mapping.fields if mapping is not None else {}
    for name in rules:
        if name not in layer.field_names:
            raise UnknownField(
                f"the mapping names the field '{name}', which layer {layer.name} has not"
            )
    _refuse_missing_columns(mapping, rules, columns)
    plans: list[ColumnPlan] = []
    missing: list[str] = []
    by_name = {column.casefold(): column for column in reversed(columns)}
    for field in layer.fields:
        rule = rules.get(field.name)
        if rule is None:
            names = (field.name, *field.aliases)
            match = next((by_name[n.casefold()] for n in names if n.casefold() in by_name), None)
            rule = FieldRule.model_validate({"from": match}) if match is not None else None
        if rule is not None:
            plans.append(ColumnPlan(field, rule))
        elif field.required:
            missing.append(field.name)
    if missing:
        raise LoadRefused(
            f"no column is known for the required {'fields' if len(missing) > 1 else 'field'} "
            f"{', '.join(missing)} of layer {layer.name}; the file has "
            f"{', '.join(columns) or 'no columns'}: write a mapping"
        )
    return plans


def unused_columns(
    plans: list[ColumnPlan], mapping: Mapping | None, columns: tuple[str, ...]
) -> list[str]:
    """Return the source's columns that neither a field nor the heights take, in their order."""
    used = _height_columns(mapping)
    for plan in plans:
        used.update(_columns_of(plan.rule))
    return [column for column in columns if column not in used]


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


def _columns_of(rule: FieldRule) -> list[str]:
    if rule.column is not None:
        return [rule.column]
    if rule.template is not None:
        names = [name for _, name in split_template(rule.template)]
        return [name for name in names if name is not None and name != ROW_NUMBER]
    return []


def _height_columns(mapping: Mapping | None) -> set[str]:
    if mapping is None or mapping.heights is None:
        return set()
    return {name for name in (mapping.heights.start, mapping.heights.end) if name is not None}


def _refuse_missing_columns(
    mapping: Mapping | None, rules: dict[str, FieldRule], columns: tuple[str, ...]
) -> None:
    wanted = [name for rule in rules.values() for name in _columns_of(rule)]
    for name in [*wanted, *_height_columns(mapping)]:
        if name not in columns:
            raise LoadRefused(
                f"the mapping names the column '{name}', but the file has {', '.join(columns)}"
            )
