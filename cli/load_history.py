"""``onemap loads list``, ``show``, ``diff`` and ``revert``: what loads did, and undoing it."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import shapely
import typer
from rich.console import Console
from rich.table import Table

from cli.city import catalogue_of, database_url, open_desk, open_store
from cli.pyramid_follow_up import follow_up
from cli.settings import read_settings
from cli.signals import orderly_end
from etl.report_html import Picture, render_report
from etl.report_map import frame_of
from gis.times import BEIJING
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.errors import InvalidValue, LoadRefused
from layers.load_queries import FeatureChange
from layers.load_records import STATUSES, LoadSelection
from layers.load_view import load_changes, load_facts, outlines_in, states_of
from layers.settings import LayersSettings
from layers.store import Store

#: Details of a picture's background smaller than this part of it are left out.
_DETAIL = 1 / 500
_MARKS = {"added": "+", "changed": "~", "closed": "-"}
_Number = Annotated[int, typer.Argument(metavar="LOAD", min=1, help="The load's number.")]


class DiffFormat(StrEnum):
    """How a difference is written."""

    TEXT = "text"
    JSON = "json"
    GEOJSON = "geojson"


def list_loads(
    layer: Annotated[str | None, typer.Option("--layer", "-l", help="Only this layer's.")] = None,
    status: Annotated[
        str | None, typer.Option(help="queued, running, done, failed or cancelled.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 30,
) -> None:
    """List loads, the youngest first."""
    if status is not None and status not in STATUSES:
        raise InvalidValue(f"--status: '{status}' is not one of {', '.join(STATUSES)}")
    with open_desk(database_url(read_settings(LayersSettings))) as desk:
        records = desk.records(
            LoadSelection(layers=None if layer is None else (layer,), status=status, limit=limit)
        )
    if not records:
        typer.echo("No such load.")
        return
    table = Table("load", "layer", "kind", "source", "valid from", "status", box=None)
    for title in ("added", "changed", "ended", "refused"):
        table.add_column(title, justify="right")
    for record in records:
        counts = (record.added, record.changed, record.closed, record.quarantined)
        table.add_row(
            str(record.load_id),
            record.layer,
            record.kind,
            record.source,
            _day(record.valid_from),
            record.status if record.reverted_by is None else f"taken back by {record.reverted_by}",
            *("" if count is None else f"{count:,}" for count in counts),
        )
    Console().print(table)


def show_load(
    load: _Number,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as a page to this file.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the record and the report as JSON.")
    ] = False,
) -> None:
    """Show what a load was, what it did, and its report."""
    with city() as (store, catalogue):
        facts = load_facts(store, load)
        states = states_of(store, load)
        if html is not None:
            write_page(store, catalogue, load, html)
            typer.echo(f"The report is in {html}.")
            return
    if as_json:
        text = orjson.dumps({**facts, "refused_rows": states}, option=orjson.OPT_INDENT_2)
        typer.echo(text.decode())
        return
    typer.echo("\n".join(_lines(facts, states)))


def diff_load(
    load: _Number,
    form: Annotated[
        DiffFormat, typer.Option("--format", help="text, json (a line a feature) or geojson.")
    ] = DiffFormat.TEXT,
) -> None:
    """Tell which features a load added, changed and ended, and how."""
    with city() as (store, catalogue):
        facts = load_facts(store, load)
        if facts["status"] != "done":
            raise LoadRefused(f"load {load} is {facts['status']}: it has changed nothing")
        layer = catalogue.layer(facts["layer"])
        changes = load_changes(store, catalogue, facts)
        if form is DiffFormat.TEXT:
            for change in changes:
                typer.echo(_told(change, layer))
        elif form is DiffFormat.JSON:
            for change in changes:
                typer.echo(orjson.dumps(_record(change), default=str).decode())
        else:
            features = [_feature(change) for change in changes]
            whole = {"type": "FeatureCollection", "features": features}
            typer.echo(orjson.dumps(whole, default=str).decode())


def revert_load(
    load: _Number,
    reason: Annotated[str, typer.Option(help="Why; kept with the record.")],
    operator: Annotated[str | None, typer.Option(help="Who answers for it; the user.")] = None,
) -> None:
    """Take a load back: what the map held before it, is held again from now on."""
    with orderly_end(), city() as (store, catalogue):
        outcome = store.revert(load, operator or user_name(), reason)
        follow_up([load_facts(store, load)["layer"]], catalogue)
    typer.echo(
        f"load {load} was taken back: {outcome.added:,} features are there again, "
        f"{outcome.changed:,} are as they were, {outcome.closed:,} are gone; "
        f"data version {outcome.data_version}"
    )


def user_name() -> str:
    """Return the name of the user who runs the command."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def write_page(store: Store, catalogue: Catalogue, load_id: int, path: Path) -> None:
    """Write a load's report as a page.

    Raises:
        LoadNotFound: If there is no such load.
        LoadRefused: If the file cannot be written.
    """
    facts = load_facts(store, load_id)
    layer = catalogue.layer(facts["layer"])
    frame = frame_of((facts["report"] or {}).get("bad_shapes", []))
    context: list[bytes] = []
    if frame is not None:
        context = outlines_in(store, layer, frame.bbox, (frame.east - frame.west) * _DETAIL)
    picture = Picture(context, states=states_of(store, load_id))
    page = render_report(facts, layer, catalogue, picture)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise LoadRefused(f"{path}: the report cannot be written: {error.strerror}") from error


@contextmanager
def city() -> Iterator[tuple[Store, Catalogue]]:
    """The store and the catalogue that the environment names."""
    settings = read_settings(LayersSettings)
    catalogue = catalogue_of(settings)
    with open_store(database_url(settings), catalogue) as store:
        yield store, catalogue


def _lines(facts: dict[str, Any], states: dict[str, int]) -> Iterator[str]:
    report = facts["report"] or {}
    yield (
        f"load {facts['load_id']} ({facts['kind']}): {facts['source']} → {facts['layer']}, "
        f"{facts['status']}"
    )
    if facts["failure"]:
        yield f"why: {facts['failure']}"
    shown = {
        "valid from": _day(facts["valid_from"]),
        "recorded": _moment(facts["recorded_at"]),
        "operator": facts["operator"],
        "complete survey": "yes" if facts["full_survey"] else "",
        "reference system": facts["crs"],
        "transformation": report.get("transformation"),
        "accuracy": f"{report['accuracy_m']:g} m" if report.get("accuracy_m") else "",
        "SHA-256": facts["checksum"],
        "mapping": facts["mapping_name"],
        "data version": facts["data_version"],
        "repairs load": facts["repairs"],
        "takes back load": facts["reverts"],
        "taken back by load": facts["reverted_by"],
    }
    yield from (f"{name}: {value}" for name, value in shown.items() if value not in (None, ""))
    counts = ("added", "changed", "unchanged", "closed", "quarantined")
    if facts["status"] == "done":
        yield ", ".join(f"{facts[name] or 0:,} {name}" for name in counts)
    if report:
        yield f"rows: {report['rows']:,} read, {report['good']:,} good, {report['bad']:,} refused"
    for rule in report.get("rules", []):
        yield f"  {rule['rows']:,} × {rule['rule']}"
        for example in rule["examples"][:2]:
            yield f"      row {example['row']}: {example['message']}"
    for entry in report.get("classes") or []:
        yield (
            f"  {entry['by'] or 'all'} {entry['class']}: {entry['features_before']:,} → "
            f"{entry['features_after']:,} features, {entry['before']:,.1f} → {entry['after']:,.1f}"
        )
    yield from (f"note: {note}" for note in report.get("notes", []))
    if states:
        told = ", ".join(f"{number:,} {state}" for state, number in states.items())
        yield f"refused rows today: {told}"


def _told(change: FeatureChange, layer: LayerDefinition) -> str:
    key = ", ".join(str(value) for value in change.key.values())
    line = f"{_MARKS[change.kind]} {key} (feature {change.feature_id})"
    if change.kind == "changed":
        parts = [f"{name} {_value(a)} → {_value(b)}" for name, (a, b) in change.fields.items()]
        parts += _geometry(change, layer)
        line += f": {'; '.join(parts)}" if parts else ""
    return line


def _geometry(change: FeatureChange, layer: LayerDefinition) -> list[str]:
    found = change.geometry
    if "moved" in found:
        return [f"moved {found['moved']:,.3f} m"]
    if "before" not in found or "after" not in found:
        return []
    unit, what = ("m²", "area") if layer.geometry.dimension == 2 else ("m", "length")
    told = (
        f"{what} {found['before']:,.2f} → {found['after']:,.2f} {unit} "
        f"({found['after'] - found['before']:+,.2f})"
    )
    return [told + (f", {found['differing']:,.2f} m² differ" if "differing" in found else "")]


def _value(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _record(change: FeatureChange) -> dict[str, Any]:
    return {
        "feature": change.feature_id,
        "kind": change.kind,
        "key": dict(change.key),
        "fields": {name: {"before": a, "after": b} for name, (a, b) in change.fields.items()},
        "geometry": dict(change.geometry),
    }


def _feature(change: FeatureChange) -> dict[str, Any]:
    shape = None if change.wkb is None else shapely.from_wkb(change.wkb)
    record = _record(change)
    return {
        "type": "Feature",
        "id": record.pop("feature"),
        "geometry": None if shape is None else orjson.Fragment(shapely.to_geojson(shape)),
        "properties": record,
    }


def _day(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(BEIJING).date().isoformat()


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(BEIJING).isoformat(" ", "seconds")
