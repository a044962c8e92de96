"""What a layer is: the pydantic models of ``layers/definitions/NAME.yaml``.

A department's layer is one such file and no code: the table, validation, code lists, tiles,
feature schema, style, access and documentation all come from it.
"""

import re
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from layers.check_definition import Bilingual, CheckDefinition, Identifier, Severity
from layers.check_definition import Strict as _Strict

__all__ = [
    "Bilingual",
    "CheckDefinition",
    "Identifier",
    "LayerDefinition",
    "Severity",
    "_Strict",
]

#: Column names that the store itself uses; a field cannot have one of them.
RESERVED_NAMES = frozenset(
    {
        "feature_id",
        "version",
        "valid_from",
        "valid_to",
        "recorded_from",
        "recorded_to",
        "load_id",
        "source_row",
        "geom",
        "tile_geom",
        "id",
        "geometry",
        "cell",
        "tile_id",
        "members",
        "tile_rank",
    }
)


class Theme(StrEnum):
    """The themes of the city map; the first six are those of the city's plan."""

    LAND = "land"
    MINERAL = "mineral"
    HAZARD = "hazard"
    PIPELINE = "pipeline"
    BUILDING = "building"
    IMAGERY = "imagery"
    COMPONENT = "component"
    TOURISM = "tourism"
    FRAMEWORK = "framework"
    QUALITY = "quality"


class GeometryType(StrEnum):
    """Geometry types of ISO 19125 that a layer can hold; single parts load into multi layers."""

    POINT = "point"
    MULTIPOINT = "multipoint"
    LINESTRING = "linestring"
    MULTILINESTRING = "multilinestring"
    POLYGON = "polygon"
    MULTIPOLYGON = "multipolygon"
    #: Any of them, feature by feature; only for views.
    GEOMETRY = "geometry"


class GeometryDefinition(_Strict):
    """The geometry of a layer's features, kept in EPSG:4490 (and height 1985 where ``z``)."""

    type: GeometryType
    z: bool = False
    #: The features tile the plane: no gap, no overlap inside the surveyed area.
    coverage: bool = False

    @property
    def dimension(self) -> int:
        """0 for points, 1 for lines, 2 for areas and for mixed geometry."""
        if "point" in self.type:
            return 0
        return 1 if "line" in self.type else 2

    @property
    def mixed(self) -> bool:
        """Whether features may differ in dimension."""
        return self.type is GeometryType.GEOMETRY


class FieldType(StrEnum):
    """The type of a field's values."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"


class Editions(_Strict):
    """Other editions of a field's code list, in which surveys still come."""

    #: Code list to translate from, by what ``named_in`` calls it.
    lists: dict[str, Identifier] = Field(min_length=1)
    #: The field that keeps the code as surveyed.
    original: Identifier | None = None
    #: The field that says of which edition that code is.
    named_in: Identifier | None = None
    #: Translate a survey whose codes are of another edition without being asked.
    translate: bool = False


class FieldDefinition(_Strict):
    """One attribute of a layer."""

    name: Identifier
    title: Bilingual
    type: FieldType = FieldType.TEXT
    length: int | None = Field(default=None, ge=1, le=10_000)
    required: bool = False
    #: Unit of measure, as UCUM or the usual symbol: m, m2, mm, kV.
    unit: str | None = None
    #: The code list (``layers/codes/SCHEME.csv``) the values must be in.
    codes: Identifier | None = None
    #: Other editions of that list.
    editions: Editions | None = None
    #: A regular expression that the whole text must match.
    pattern: str | None = None
    min: float | None = None
    max: float | None = None
    #: Other names under which surveys deliver this field; case does not matter.
    aliases: tuple[str, ...] = ()
    description: Bilingual | None = None
    #: Only viewers with one of these roles see the field; empty means everyone.
    requires_role: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _constraints_fit_type(self) -> Self:
        if self.name in RESERVED_NAMES:
            raise ValueError(f"'{self.name}' is a name the store uses itself; choose another")
        if self.type is not FieldType.TEXT and (self.length or self.pattern):
            raise ValueError("length and pattern are for text fields only")
        numeric = self.type in (FieldType.INTEGER, FieldType.NUMBER)
        if not numeric and (self.min is not None or self.max is not None):
            raise ValueError("min and max are for integer and number fields only")
        if self.codes and self.type not in (FieldType.TEXT, FieldType.INTEGER):
            raise ValueError("codes are for text and integer fields only")
        if self.editions and not self.codes:
            raise ValueError("editions are those of a code list: give codes")
        return self

    @field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
        return value


class Label(_Strict):
    """The fields whose text names a feature on the map, by language."""

    zh: Identifier
    en: Identifier | None = None


class Slot(StrEnum):
    """Drawing order of style layers over all layers of a map, lowest first."""

    GROUND = "ground"
    AREA = "area"
    LINE = "line"
    POINT = "point"
    LABEL = "label"


class StyleLayer(_Strict):
    """One MapLibre style layer of this layer, with two short forms that the composer expands.

    ``{code_color: FIELD}`` becomes a match on the field's code list colours, and
    ``{label: true}`` the feature's name in the language of the page.
    """

    id: Identifier
    slot: Slot
    type: Literal["fill", "line", "circle", "symbol", "fill-extrusion", "heatmap"]
    min_zoom: float | None = Field(default=None, ge=0, le=24)
    max_zoom: float | None = Field(default=None, ge=0, le=24)
    filter: list[Any] | None = None
    layout: dict[str, Any] = Field(default_factory=dict)
    paint: dict[str, Any] = Field(default_factory=dict)
    #: Legend text of this style layer; without one the layer's title is used.
    legend: Bilingual | None = None
    #: Whether it stands in the legend (labels and casings usually do not).
    in_legend: bool = True


class PyramidBand(_Strict):
    """A band of zooms that share one generalised geometry; other keys are the method's own.

    The methods are those of ``tiles/generalisers``, whose models check these parameters.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    #: Lowest and deepest zoom, both included.
    zooms: tuple[int, int]
    method: Identifier
    #: What the band is made from: the features, or the rows of the next finer band.
    source: Literal["features", "finer"] = "features"
    #: The band is built cell by cell; cells are the tiles of this zoom. ``None``: as the method
    #: finds fitting.
    cell_zoom: int | None = Field(default=None, ge=0, le=18)

    @property
    def is_of_finer(self) -> bool:
        """Whether the band is made from the rows of the next finer band."""
        return self.source == "finer"

    @property
    def parameters(self) -> dict[str, Any]:
        """The method's own parameters."""
        return dict(self.model_extra or {})

    def __hash__(self) -> int:
        """Hash by zooms, so that tables and statements made for a band can be kept."""
        return hash(self.zooms)


class TileDefinition(_Strict):
    """How the layer appears in vector tiles."""

    min_zoom: int = Field(default=0, ge=0, le=22)
    #: Attributes that tiles carry beside the feature id; the rest comes by id. Keep it short.
    fields: tuple[Identifier, ...] = ()
    #: From which zoom a field is carried, where not from ``min_zoom``.
    field_zooms: dict[Identifier, int] = Field(default_factory=dict)
    #: Lines and areas whose box is smaller than this many pixels (of 256) are left out below
    #: ``max_zoom_dropping``.
    min_pixels: float = Field(default=1.0, ge=0)
    #: Tile units (1/4096 of an edge) that tiles reach beyond their edges: at least what the style's
    #: strokes and circles need, an eighth of a pixel each.
    buffer: int = Field(default=64, ge=64, le=1024)
    #: An integer field whose larger values matter more; used where a tile must choose.
    importance: Identifier | None = None
    #: From this zoom on tiles show the surveyed geometry; below it, the pyramid's.
    detail_zoom: int = Field(default=16, ge=0, le=22)
    #: How the zooms below ``detail_zoom`` are generalised; without it as usual for the geometry.
    pyramid: tuple[PyramidBand, ...] | None = None

    @model_validator(mode="after")
    def _bands_follow(self) -> Self:
        """Bands go from ``min_zoom`` to the zoom before ``detail_zoom``, each zoom once."""
        expected = self.min_zoom
        for band in self.pyramid or ():
            low, high = band.zooms
            if low != expected or high < low:
                raise ValueError(
                    f"pyramid: the band of zooms {low} to {high} should begin at {expected} "
                    "and end there or deeper; give the bands from the lowest zoom up"
                )
            expected = high + 1
        if self.pyramid is not None and expected != max(self.detail_zoom, self.min_zoom):
            raise ValueError(
                f"pyramid: the bands end at zoom {expected - 1}; they should end at "
                f"{self.detail_zoom - 1}, before the detail zoom"
            )
        return self


class ShareLevel(StrEnum):
    """Government sharing and public opening levels (2017 catalogue guide)."""

    UNCONDITIONAL = "unconditional"
    CONDITIONAL = "conditional"
    CLOSED = "closed"


class Policy(_Strict):
    """Who may see the layer. Sharing (between departments) is not opening (to the public)."""

    share: ShareLevel = ShareLevel.UNCONDITIONAL
    open: ShareLevel = ShareLevel.UNCONDITIONAL
    #: Only viewers with one of these roles know of the layer; empty means everyone.
    requires_role: tuple[str, ...] = ()
    #: Coordinates are shown to viewers without a role rounded to this many metres.
    public_precision_m: float | None = Field(default=None, gt=0)


class LayerDefinition(_Strict):
    """A layer of the city map, as its YAML file defines it."""

    name: Identifier
    title: Bilingual
    abstract: Bilingual
    theme: Theme
    #: The standard the fields follow, such as ``TD/T 1057-2020``.
    standard: str | None = None
    #: The department that answers for the content.
    provider: Bilingual | None = None
    update_cycle: Bilingual | None = None
    geometry: GeometryDefinition
    #: The layer shows rows that the system keeps for itself; nothing can be loaded into it.
    view: Literal["quarantine"] | None = None
    #: The fields that together are the business key: one feature has it for ever.
    key: tuple[Identifier, ...] = Field(min_length=1)
    fields: tuple[FieldDefinition, ...] = Field(min_length=1)
    label: Label | None = None
    #: The field by whose values reports sum up areas, lengths and numbers; without one, the field
    #: whose code list colours the map.
    report_by: Identifier | None = None
    tiles: TileDefinition = TileDefinition()
    style: tuple[StyleLayer, ...] = ()
    #: What surveys of the layer are checked for, beside the fields' own rules.
    checks: tuple[CheckDefinition, ...] = ()
    access: Policy = Policy()

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        names = [field.name for field in self.fields]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"fields given twice: {', '.join(doubled)}")
        wanted: dict[str, tuple[str | None, ...]] = {
            "key": self.key,
            "tiles.fields": self.tiles.fields,
            "tiles.field_zooms": tuple(self.tiles.field_zooms),
            "tiles.importance": (self.tiles.importance,),
            "report_by": (self.report_by,),
            "label": (self.label.zh, self.label.en) if self.label else (),
        }
        for where, fields in wanted.items():
            for name in fields:
                if name is not None and name not in names:
                    raise ValueError(f"{where} names the field '{name}', which is not defined")
        if self.geometry.mixed and self.view is None:
            raise ValueError("geometry of any type is for views only")
        optional_keys = [name for name in self.key if not self.field(name).required]
        if optional_keys:
            raise ValueError(f"key fields must be required: {', '.join(optional_keys)}")
        self._aliases_are_unique()
        style_ids = [entry.id for entry in self.style]
        if len(set(style_ids)) != len(style_ids):
            raise ValueError("two style layers have the same id")
        check_names = [check.name for check in self.checks]
        if len(set(check_names)) != len(check_names):
            raise ValueError("two checks have the same name")
        return self

    @model_validator(mode="after")
    def _editions_refer(self) -> Self:
        for entry in self.fields:
            editions = entry.editions
            kept = (editions.original, editions.named_in) if editions is not None else ()
            for name in kept:
                if name is not None and name not in self.field_names:
                    raise ValueError(
                        f"fields.{entry.name}.editions names the field '{name}', "
                        "which is not defined"
                    )
        return self

    def _aliases_are_unique(self) -> None:
        owner: dict[str, str] = {}
        for field in self.fields:
            for alias in {field.name.casefold(), *(alias.casefold() for alias in field.aliases)}:
                if alias in owner:
                    raise ValueError(f"'{alias}' stands for both {owner[alias]} and {field.name}")
                owner[alias] = field.name

    def __hash__(self) -> int:
        """Hash by name, so that tables and statements made for a layer can be kept."""
        return hash(self.name)

    def field(self, name: str) -> FieldDefinition:
        """Return the field of that name.

        Raises:
            KeyError: If the layer has no such field.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of all fields, in the order of the definition."""
        return tuple(field.name for field in self.fields)
