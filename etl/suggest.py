"""Propose a mapping for a file: which column fills which field of which layer, and why."""

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from etl.columns import column_of
from etl.formats import open_source
from etl.measures import measure
from etl.reader import Source, SourceBatch, SourceInfo, SourceOptions
from etl.settings import EtlSettings
from etl.suggest_columns import ColumnProfile, Evidence, name_score, value_evidence
from etl.suggest_units import unit_by_measure, unit_by_name
from gis.crs import CrsError, SourceCrs, resolve, suspect, to_storage
from gis.geometry import Geometries
from layers.catalogue import Catalogue
from layers.definition import FieldDefinition, FieldType, LayerDefinition
from layers.errors import LoadRefused

#: Rows that are looked at.
ROWS = 5_000
#: A pair of column and field below this is not proposed.
LEAST = 0.5
_AREA_WORDS = re.compile(r"\barea\b", re.IGNORECASE)


@dataclass(frozen=True)
class Look:
    """The first rows of a file."""

    info: SourceInfo
    columns: tuple[ColumnProfile, ...]
    #: EPSG:4490, ``None`` where a row has none; empty if the CRS is not known.
    shapes: Geometries
    #: 0 for points, 1 for lines, 2 for areas; ``None`` without geometry.
    dimension: int | None
    has_z: bool
    rows: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """How one field is to be filled."""

    field: FieldDefinition
    #: As in a mapping; ``None`` where nothing was found for a required field.
    rule: dict[str, Any] | None
    #: 0 to 1.
    confidence: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Suggestion:
    """A proposed mapping."""

    layer: LayerDefinition
    look: Look
    fields: tuple[Proposal, ...]
    #: Keys of the mapping beside ``layer``, ``source`` and ``fields``.
    head: dict[str, Any] = field(default_factory=dict)
    unmatched: tuple[ColumnProfile, ...] = ()
    #: The layers that fit best, with their scores, 0 to 1.
    layers: tuple[tuple[str, float], ...] = ()


def suggest(
    source: Path | str,
    catalogue: Catalogue,
    settings: EtlSettings,
    options: SourceOptions,
    layer: str | None = None,
) -> Suggestion:
    """Propose a mapping for a file.

    Args:
        source: The file, folder or address.
        catalogue: The layers to choose from.
        settings: Limits of reading.
        options: What is known about the file.
        layer: The layer; without one the layer that fits best is taken.

    Raises:
        OneMapError: If the file cannot be read, or there is no such layer.
    """
    options = replace(options, batch_rows=ROWS)
    if layer is not None:
        dimension = catalogue.layer(layer).geometry.dimension
        options = replace(options, target=layer, dimension=dimension)
    with open_source(source, options, settings.max_unpacked_bytes) as opened:
        # What GDAL warns of, row by row, is for the load that follows.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            look = _look(opened, options.crs)
    scored = rank(look, catalogue, Path(str(source)).stem)
    chosen = layer if layer is not None else scored[0][0]
    fits, proposals = propose(look, catalogue.layer(chosen), catalogue)
    used = {pair[0].name for pair in fits.values()}
    used.update(str(p.rule["from"]) for p in proposals if p.rule and "from" in p.rule)
    unmatched = [
        column
        for column in look.columns
        if column.name not in used and column.name not in look.info.position
    ]
    return Suggestion(
        catalogue.layer(chosen),
        look,
        tuple(proposals),
        _head(look, options, catalogue.layer(chosen), fits),
        tuple(unmatched),
        tuple(scored[:3]),
    )


def rank(look: Look, catalogue: Catalogue, stem: str) -> list[tuple[str, float]]:
    """Return the layers by how well they fit, best first, with scores from 0 to 1."""
    scores: dict[str, float] = {}
    for layer in catalogue.layers.values():
        if layer.view is not None:
            continue
        pairs = match(look.columns, layer, catalogue)
        sure = sum(pair[1] for pair in pairs.values() if pair[1] >= LEAST)
        columns = max(len(look.columns), 1)
        required = [entry.name for entry in layer.fields if entry.required]
        held = sum(pairs[name][1] for name in required if name in pairs) / len(required)
        score = 0.6 * sure / columns + 0.3 * held
        names = {layer.title.zh, *layer.name.split("_"), *layer.title.en.casefold().split()}
        called = f"{stem} {look.info.layer}".casefold()
        score += 0.1 if any(name.rstrip("s") in called for name in names if len(name) > 3) else 0.0
        scores[layer.name] = round(score * _geometry_fit(look, layer), 3)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _geometry_fit(look: Look, layer: LayerDefinition) -> float:
    wanted = layer.geometry.dimension
    if look.dimension is None or look.dimension == wanted:
        return 1.0
    return 0.4 if wanted == 0 else 0.1


Pair = tuple[ColumnProfile, float, Evidence, tuple[str, ...]]


def match(
    columns: Iterable[ColumnProfile], layer: LayerDefinition, catalogue: Catalogue
) -> dict[str, Pair]:
    """Match columns to fields, the surest pair first; each field takes one column.

    A column that several fields fit goes to the one it fits best.
    """
    pairs: list[tuple[float, str, Pair]] = []
    for entry in layer.fields:
        for column in columns:
            pair = _judge(column, entry, entry.name in layer.key, catalogue)
            if pair is not None:
                pairs.append((pair[1], entry.name, pair))
    pairs.sort(key=lambda found: -found[0])
    taken: dict[str, Pair] = {}
    used: set[str] = set()
    for _, name, pair in pairs:
        if name not in taken and pair[0].name not in used:
            taken[name] = pair
            used.add(pair[0].name)
    return taken


def _judge(
    column: ColumnProfile, entry: FieldDefinition, is_key: bool, catalogue: Catalogue
) -> Pair | None:
    name, why = name_score(column.name, entry)
    if name < 0.3 and entry.codes is None and entry.pattern is None and not is_key:
        return None
    evidence = value_evidence(column, entry, catalogue)
    reasons = [why] if name >= 0.3 else []
    weight = evidence.weight
    if is_key and name >= 0.3:
        weight += 0.15 if column.is_key else -0.25
        reasons += ["every row has its own value" if column.is_key else "its values repeat"]
    if name >= 0.85:
        confidence = name + weight * (1 - name) if weight >= 0 else name * (1 + 0.6 * weight)
    else:
        confidence = 0.85 * name + (0.5 * weight if weight > 0 else 0.75 * weight)
    confidence = min(max(confidence, 0.0), 1.0)
    if confidence < LEAST:
        return None
    return column, confidence, evidence, (*reasons, *evidence.reasons)


def propose(
    look: Look, layer: LayerDefinition, catalogue: Catalogue
) -> tuple[dict[str, Pair], list[Proposal]]:
    """Propose a rule for every field of a layer that the file can fill."""
    fits = match(look.columns, layer, catalogue)
    proposals: list[Proposal] = []
    for entry in layer.fields:
        if entry.name in fits:
            proposals.append(_proposal(entry, fits[entry.name], look))
        elif layer.label is not None and entry.name == layer.label.en and layer.label.zh in fits:
            proposals += _latin_name(entry, fits[layer.label.zh][0])
        elif entry.name in layer.key and len(layer.key) == 1:
            proposals.append(_key(entry, look, fits))
        elif entry.required:
            proposals.append(Proposal(entry, None, 0.0, ("required, but no column fits it",)))
    measured = _measured(layer, look, fits)
    return fits, [*proposals, *measured]


def _proposal(entry: FieldDefinition, pair: Pair, look: Look) -> Proposal:
    column, confidence, evidence, reasons = pair
    extra = dict(evidence.rule)
    rule: dict[str, Any] = {} if "expression" in extra else {"from": column.name}
    if column.unknowns:
        rule["null"] = column.unknowns
    rule |= extra
    told = list(reasons)
    if entry.unit is not None and entry.type in (FieldType.INTEGER, FieldType.NUMBER):
        unit, why = _unit(entry.unit, column, look)
        if unit is not None:
            rule["unit"] = unit
        told += [why] if why else []
    return Proposal(entry, rule, confidence, tuple(told))


def _unit(unit: str, column: ColumnProfile, look: Look) -> tuple[str | None, str]:
    what = {"m2": "area", "km2": "area", "m": "length"}.get(unit)
    if what is not None and len(look.shapes) and look.dimension == (2 if what == "area" else 1):
        found = unit_by_measure(column.numbers, measure(what, look.shapes), unit)
        if found is not None:
            name, share = found
            told = f"{share:.0%} of the values are the {what} of the geometry in {name}"
            return (None if name == unit else name), told
    name_unit = unit_by_name(column.name, unit)
    if name_unit is not None and name_unit != unit:
        return name_unit, f"its name speaks of {name_unit}"
    return None, ""


def _key(entry: FieldDefinition, look: Look, fits: dict[str, Pair]) -> Proposal:
    used = {pair[0].name for pair in fits.values()}
    unique = [column for column in look.columns if column.is_key]
    unique.sort(key=lambda column: (column.name in used, not _is_identifier(column.name)))
    if unique and (_is_identifier(unique[0].name) or len(unique) == 1):
        return Proposal(entry, {"from": unique[0].name}, 0.4, ("every row has its own value",))
    if unique:
        return Proposal(entry, {"from": unique[0].name}, 0.3, ("its values do not repeat",))
    return Proposal(
        entry,
        {"template": f"{entry.name}-{{row}}"},
        0.1,
        ("no column tells the rows apart: their numbers do, until the file is sorted anew",),
    )


def _latin_name(entry: FieldDefinition, names: ColumnProfile) -> list[Proposal]:
    """Propose a column of names for the English name too, if it is in Latin letters."""
    latin = names.share(pc.string_is_ascii(names.texts))
    if latin < LEAST:
        return []
    reason = f"{latin:.0%} of the names are in Latin letters, and there is no other column"
    return [Proposal(entry, {"from": names.name}, 0.6, (reason,))]


def _is_identifier(name: str) -> bool:
    return re.search(r"(^|_|[a-z])(id|no|code|key|bsm|fid|bh|dm)$", name, re.IGNORECASE) is not None


def _measured(layer: LayerDefinition, look: Look, fits: dict[str, Pair]) -> list[Proposal]:
    """Propose to measure the field of area or length that no column fills."""
    wanted = {2: ("area", ("m2", "km2")), 1: ("length", ("m",))}.get(layer.geometry.dimension)
    if wanted is None or look.dimension not in (None, layer.geometry.dimension):
        return []
    what, units = wanted
    word = _AREA_WORDS if what == "area" else re.compile(r"\blength\b", re.IGNORECASE)
    for entry in layer.fields:
        if entry.unit in units and word.search(entry.title.en):
            if entry.name in fits:
                return []
            agreeing = _agreeing(entry, what, look, fits)
            if agreeing is not None:
                return [agreeing]
            reason = f"no column holds it; the {what} on the ellipsoid"
            return [Proposal(entry, {"geometry": what}, 0.6, (reason,))]
    return []


def _agreeing(
    entry: FieldDefinition, what: str, look: Look, fits: dict[str, Pair]
) -> Proposal | None:
    """Find a column that holds what the geometry measures, whatever its name and unit."""
    used = {pair[0].name for pair in fits.values()}
    for column in look.columns if len(look.shapes) else ():
        if column.name in used or column.share(pc.is_valid(column.numbers)) < LEAST:
            continue
        found = unit_by_measure(column.numbers, measure(what, look.shapes), str(entry.unit))
        if found is not None:
            unit, share = found
            rule = {"from": column.name} | ({} if unit == entry.unit else {"unit": unit})
            reason = f"{share:.0%} of the values are the {what} of the geometry in {unit}"
            return Proposal(entry, rule, 0.8, (reason,))
    return None


def _head(
    look: Look, options: SourceOptions, layer: LayerDefinition, fits: dict[str, Pair]
) -> dict[str, Any]:
    head: dict[str, Any] = {}
    if options.layer is not None:
        head["source_layer"] = options.layer
    if options.crs is not None:
        head["crs"] = options.crs.label
    if options.encoding is not None:
        head["encoding"] = options.encoding
    if layer.geometry.dimension == 0 and look.dimension in (1, 2):
        head["shape"] = "inner_point"
    if layer.geometry.z and not look.has_z:
        for start, end in (("s_h", "e_h"), ("high", None)):
            if start in fits and (end is None or end in fits):
                head["heights"] = {"start": fits[start][0].name}
                if end is not None:
                    head["heights"]["end"] = fits[end][0].name
    return head


def _look(source: Source, crs: SourceCrs | None) -> Look:
    batches = _first(source)
    if not batches:
        raise LoadRefused(f"{source.info.layer}: has no rows to look at")
    names = list(dict.fromkeys(batches[0].attributes.schema.names))
    columns = tuple(
        ColumnProfile(name, pa.concat_arrays([column_of(batch, name) for batch in batches]))
        for name in names
        if not name.startswith("(")
    )
    with np.errstate(invalid="ignore"):
        raw = np.concatenate(
            [
                shapely.from_wkb(batch.wkb.to_numpy(zero_copy_only=False), on_invalid="ignore")
                for batch in batches
            ]
        )
    present = raw[~shapely.is_missing(raw) & ~shapely.is_empty(raw)]
    dimensions = shapely.get_dimensions(present)
    shapes, notes = _placed(raw, present, source.info, crs)
    return Look(
        source.info,
        columns,
        shapes,
        int(np.bincount(dimensions[dimensions >= 0]).argmax()) if len(present) else None,
        bool(shapely.has_z(present).any()) if len(present) else False,
        len(raw),
        tuple(notes),
    )


def _first(source: Source) -> list[SourceBatch]:
    batches: list[SourceBatch] = []
    rows = 0
    for batch in islice(source.batches(), ROWS):
        if batches and batch.attributes.schema != batches[0].attributes.schema:
            break
        batches.append(batch)
        rows += batch.attributes.num_rows
        if rows >= ROWS:
            break
    return batches


def _placed(
    raw: Geometries, present: NDArray[Any], info: SourceInfo, crs: SourceCrs | None
) -> tuple[Geometries, list[str]]:
    """Bring shapes to EPSG:4490 if their CRS is known; tell what looks wrong."""
    nowhere: Geometries = np.empty(0, dtype=object)
    if not len(present):
        return nowhere, ["the rows have no geometry"]
    middle = np.nanmedian(shapely.get_coordinates(present), axis=0)
    if crs is None and info.crs is None:
        return nowhere, [f"the file says no reference system: give crs; {_guess(*middle)}"]
    try:
        known = crs if crs is not None else resolve(str(info.crs))
    except CrsError as error:
        return nowhere, [str(error)]
    way = to_storage(known)

    def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(way(points[:, 0], points[:, 1]))

    with np.errstate(invalid="ignore"):
        shapes = shapely.transform(raw, move)
    lon, lat = way(middle[:1], middle[1:2])
    area = known.area
    inside = area is None or (area[0] <= lon[0] <= area[2] and area[1] <= lat[0] <= area[3])
    if inside:
        return np.asarray(shapes), []
    hint = suspect(known, float(middle[0]), float(middle[1]))
    told = f"the rows lie outside the area that {known.label} is made for"
    return nowhere, [f"{told}; {hint}" if hint else told]


def _guess(x: float, y: float) -> str:
    if abs(x) <= 180 and abs(y) <= 90:
        return "they look like degrees (EPSG:4490?)"
    first, second = ("X is the easting", x) if x >= y else ("X is the northing", y)
    if second >= 1e7:
        return f"{first}, with zone number {int(second // 1e6)} in front"
    return f"{first}, without a zone number"
