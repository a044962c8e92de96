"""``onemap lineage``: where a feature came from."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import orjson
import typer

from cli.load_history import city
from gis.times import BEIJING, parse_instant
from layers.errors import FeatureNotFound, InvalidValue
from layers.lineage import FeatureLineage, Kin, LoadOrigin, RepairOrigin, VersionOrigin
from layers.lineage_reading import find_feature, lineage_of


def register(app: typer.Typer) -> None:
    """Add ``lineage``."""
    app.command("lineage")(lineage)


def lineage(
    layer: Annotated[str, typer.Argument(help="The layer.")],
    feature: Annotated[
        str, typer.Argument(metavar="KEY|ID", help="The feature's business key, or its id.")
    ],
    at: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only what is held to be so at this time.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Tell of every version of a feature which load, file, row and operator it came from."""
    moment = None if at is None else _instant(at)
    with city() as (store, catalogue):
        definition = catalogue.layer(layer)
        found = lineage_of(store, definition, find_feature(store, definition, feature))
    if moment is not None:
        found = found.at(moment)
        if not found.versions:
            raise FeatureNotFound(f"{layer} {feature} was not there at that time")
    if as_json:
        typer.echo(orjson.dumps(asdict(found), default=str, option=orjson.OPT_INDENT_2).decode())
        return
    typer.echo("\n".join(_told(layer, found)))


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise InvalidValue(f"--at: {error}") from error


def _told(layer: str, found: FeatureLineage) -> Iterator[str]:
    key = ", ".join(f"{name} {value}" for name, value in found.key.items())
    yield f"{layer} {key} (feature {found.feature_id}): {len(found.versions)} rows of history"
    for entry in found.versions:
        yield from _version(entry)
    for title, kin in (("came from", found.ancestors), ("became", found.descendants)):
        yield from (f"{title} {_kin(one)}" for one in kin)


def _version(entry: VersionOrigin) -> Iterator[str]:
    until = "" if entry.valid_to is None else _day(entry.valid_to)
    held = "" if entry.is_held else f", held until {_moment(entry.recorded_to)}"
    yield (
        f"version {entry.version}: valid {_day(entry.valid_from)} … {until}, "
        f"recorded {_moment(entry.recorded_from)}{held}"
    )
    yield from (f"    {line}" for line in _load(entry.load, entry))
    if entry.geometry_repaired is not False:
        told = "was" if entry.geometry_repaired else "may have been (not kept)"
        yield f"    its geometry {told} repaired when it was loaded"
    if entry.repair is not None:
        yield from (f"    {line}" for line in _repair(entry.repair))


def _load(load: LoadOrigin, entry: VersionOrigin) -> Iterator[str]:
    part = f", {entry.part}" if entry.part else ""
    layer = f", {load.source_layer}" if load.source_layer and not part else ""
    yield f"load {load.load_id} ({load.kind}) by {load.operator}: {load.source}{layer}{part}, " + (
        f"row {entry.source_row}"
    )
    way = f", {load.transformation}" if load.transformation else ""
    accuracy = f" ({load.accuracy_m:g} m)" if load.accuracy_m else ""
    yield f"{load.crs}{way}{accuracy}"
    if load.mapping_name:
        yield f"mapping {load.mapping_name}: {orjson.dumps(dict(load.mapping)).decode()}"
    if load.repairs is not None:
        yield f"mended row of load {load.repairs}"
    if load.reverts is not None:
        yield f"takes back load {load.reverts}"
    if load.reverted_by is not None:
        yield f"taken back by load {load.reverted_by}"


def _repair(repair: RepairOrigin) -> Iterator[str]:
    rules = "; ".join(f"{rule}: {message}" for rule, message in repair.rules)
    yield f"refused row {repair.quarantine_id} ({_moment(repair.refused_at)}): {rules}"
    fixes = [f"{name} = {value}" for name, value in repair.fixed.items()]
    fixes += ["the geometry"] if repair.geometry_fixed else []
    note = f" ({repair.note})" if repair.note else ""
    yield f"mended: {', '.join(fixes) or 'nothing'}{note}"


def _kin(kin: Kin) -> str:
    share = "" if kin.share is None else f", {kin.share:.1%}"
    return (
        f"feature {kin.feature_id} ({kin.kind}{share}, {_day(kin.valid_from)}, load {kin.load_id})"
        + ("" if kin.generation == 1 else f" through {kin.of}")
    )


def _day(moment: datetime) -> str:
    return moment.astimezone(BEIJING).date().isoformat()


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(BEIJING).isoformat(" ", "seconds")
