"""``onemap quarantine …``: refused rows are found, mended, and tried again."""

from pathlib import Path
from typing import Annotated

import shapely
import typer
from rich.console import Console
from rich.table import Table

from cli.load_history import city, user_name
from cli.pyramid_follow_up import follow_up
from cli.settings import read_settings
from etl.mending import geometry_of, rebuild, values_of, what_would_pass
from etl.quarantine_files import read_ids, read_mends, write_rows
from etl.repair import RepairRequest, retry
from etl.settings import EtlSettings
from layers.catalogue import Catalogue
from layers.errors import FeatureNotFound, InvalidValue
from layers.quarantine import (
    STATES,
    Mend,
    RefusedRow,
    Selection,
    counts_by_rule,
    discard,
    mend,
    read_refused,
    refused_rows,
)
from layers.quarantine_rows import WAITING
from layers.store import Store

_LONGEST_MESSAGE = 90

LayerOption = Annotated[str | None, typer.Option("--layer", "-l", help="Only this layer's.")]
LoadOption = Annotated[int | None, typer.Option("--load", help="Only those of this load.")]
RuleOption = Annotated[
    str | None, typer.Option("--rule", help="Only those that broke this rule, or a field's rules.")
]
StateOption = Annotated[
    str | None,
    typer.Option("--state", help="open, fixed, resolved, discarded or all; open and fixed."),
]
NoteOption = Annotated[str | None, typer.Option("--note", help="Why; kept with the rows.")]


def register(app: typer.Typer) -> None:
    """Add ``quarantine list``, ``show``, ``export``, ``fix``, ``discard`` and ``retry``."""
    group = typer.Typer(help="Rows that a check refused, and their repair.", no_args_is_help=True)
    group.command("list")(list_rows)
    group.command("show")(show_row)
    group.command("export")(export_rows)
    group.command("fix")(fix_rows)
    group.command("discard")(discard_rows)
    group.command("retry")(retry_rows)
    app.add_typer(group, name="quarantine")


def list_rows(
    layer: LayerOption = None,
    load: LoadOption = None,
    rule: RuleOption = None,
    state: StateOption = None,
    limit: Annotated[int, typer.Option(help="At most so many rows.", min=1)] = 50,
) -> None:
    """List refused rows, after how many there are of each rule."""
    chosen = _selection((), layer, load, rule, state)
    with city() as (store, _):
        counts = store.fetch(counts_by_rule(chosen))
        rows = [read_refused(row) for row in store.fetch(refused_rows(chosen, limit=limit))]
    console = Console()
    if not counts:
        console.print("No such row.")
        return
    summary = Table("layer", "load", "rule", "state", "rows", box=None)
    for entry in counts:
        summary.add_row(entry.layer, str(entry.load_id), entry.rule, entry.state, f"{entry.rows:,}")
    console.print(summary)
    console.print()
    table = Table("id", "layer", "load", "row", "state", "tries", "what is wrong", box=None)
    for row in rows:
        said = row.message
        said = said if len(said) <= _LONGEST_MESSAGE else said[: _LONGEST_MESSAGE - 1] + "…"
        table.add_row(
            str(row.quarantine_id),
            row.layer,
            str(row.load_id),
            str(row.source_row),
            row.state,
            str(row.attempts),
            f"{row.rule}: {said}" if row.rule not in said else said,
        )
    console.print(table)
    total = sum(entry.rows for entry in counts)
    if total > len(rows):
        console.print(f"… and {total - len(rows):,} more (--limit)")


def show_row(number: Annotated[int, typer.Argument(metavar="ID", help="The row's id.")]) -> None:
    """Show everything about one refused row, and what would let it pass."""
    with city() as (store, catalogue):
        row = _one(store, number)
    layer = catalogue.layer(row.layer)
    lines = [
        f"refused row {row.quarantine_id}: {row.layer}, load {row.load_id}, row {row.source_row}",
        f"state: {row.state}" + (f" (load {row.resolved_by})" if row.resolved_by else ""),
        f"tries: {row.attempts}",
    ]
    lines += [f"wrong: {rule}: {message}" for rule, message in row.rules]
    lines += [f"would pass: {demand}" for demand in what_would_pass(row, layer, catalogue)]
    for title, values in (
        ("as it came", row.original or {}),
        ("as understood", row.values),
        ("mended", row.fixed),
    ):
        lines += [f"{title}: {name} = {value}" for name, value in values.items()]
    if row.wkb is not None:
        kind = "mended geometry" if row.geometry_is_fixed else "geometry"
        lines.append(f"{kind} (EPSG:4490): {shapely.to_wkt(shapely.from_wkb(row.wkb), 9)}")
    if row.note:
        lines.append(f"note: {row.note}")
    typer.echo("\n".join(lines))


def export_rows(
    file: Annotated[Path, typer.Argument(help="A .gpkg, .geojson, .csv or .xlsx file to write.")],
    layer: LayerOption = None,
    load: LoadOption = None,
    rule: RuleOption = None,
    state: StateOption = None,
    format_name: Annotated[
        str | None, typer.Option("--format", help="gpkg, geojson, csv or xlsx; by the name.")
    ] = None,
) -> None:
    """Write refused rows to a file that can be edited and given back with fix --file."""
    chosen = _selection((), layer, load, rule, state)
    with city() as (store, _):
        rows = [read_refused(row) for row in store.fetch(refused_rows(chosen))]
    found = sorted({row.layer for row in rows})
    if not found:
        raise FeatureNotFound("there is no such refused row")
    if len(found) > 1:
        raise InvalidValue(f"the rows are of {', '.join(found)}: say one with --layer")
    write_rows(rows, file, format_name)
    typer.echo(f"rows in {file}: {len(rows)}")


def fix_rows(
    number: Annotated[
        int | None, typer.Argument(metavar="ID", help="The row's id; none with --file.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="A field or a column of the source."),
    ] = None,
    geometry: Annotated[
        str | None, typer.Option(metavar="WKT", help="A geometry in place of the row's.")
    ] = None,
    crs: Annotated[str | None, typer.Option(help="The geometry's reference system.")] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild the geometry, though something is lost.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option(help="An edited export: what was changed in it is taken.")
    ] = None,
    note: NoteOption = None,
) -> None:
    """Mend refused rows; nothing reaches the map before retry."""
    if (number is None) == (file is None):
        raise InvalidValue("say the id of a row, or --file with an edited export")
    with city() as (store, catalogue):
        if file is not None:
            waiting = _by_id(store, read_ids(file))
            mends = read_mends(file, waiting)
        else:
            row = _one(store, int(number or 0))
            mends = [_mend(row, catalogue, settings or [], geometry, crs, note, repair=repair)]
        with store.writing() as connection:
            mend(connection, mends)
    typer.echo(f"rows mended: {len(mends)} (onemap quarantine retry takes them in)")


def discard_rows(
    numbers: Annotated[list[int], typer.Argument(metavar="ID…", help="The rows' ids.")],
    note: NoteOption = None,
) -> None:
    """Give up refused rows; they stay as history."""
    with city() as (store, _), store.writing() as connection:
        discard(connection, numbers, note)
    typer.echo(f"rows discarded: {len(numbers)}")


def retry_rows(
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="[ID…]", help="The rows' ids.")
    ] = None,
    layer: LayerOption = None,
    load: LoadOption = None,
    rule: RuleOption = None,
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", "-m", help="A mended mapping in place of the load's own."),
    ] = None,
    anywhere: Annotated[
        bool, typer.Option("--anywhere", help="Accept positions outside the CRS's area of use.")
    ] = False,
    operator: Annotated[str | None, typer.Option(help="Who answers for it; the user.")] = None,
) -> None:
    """Try refused rows again, mended or not: what is good now becomes versions."""
    if not numbers and layer is None and load is None and rule is None:
        raise InvalidValue("say which rows: their ids, --load, --layer or --rule")
    chosen = _selection(tuple(numbers or ()), layer, load, rule, None)
    request = RepairRequest(chosen, operator or user_name(), mapping, anywhere)
    with city() as (store, catalogue):
        for report in retry(request, store, catalogue, read_settings(EtlSettings)):
            typer.echo(report.as_text())
            follow_up([report.layer], catalogue)


def _mend(
    row: RefusedRow,
    catalogue: Catalogue,
    settings: list[str],
    geometry: str | None,
    crs: str | None,
    note: str | None,
    *,
    repair: bool,
) -> Mend:
    if geometry is not None and repair:
        raise InvalidValue("say --geometry or --repair, not both")
    if not settings and geometry is None and not repair and note is None:
        raise InvalidValue("say what to mend: --set, --geometry, --repair or --note")
    layer = catalogue.layer(row.layer)
    wkb = geometry_of(geometry, crs) if geometry is not None else None
    if repair:
        rebuilt = rebuild(row, layer)
        wkb = rebuilt.wkb
        note = note or rebuilt.said
        typer.echo(f"row {row.quarantine_id}: {rebuilt.said}")
    return Mend(row.quarantine_id, values_of(row, layer, settings), wkb, note)


def _selection(
    numbers: tuple[int, ...],
    layer: str | None,
    load: int | None,
    rule: str | None,
    state: str | None,
) -> Selection:
    if state is None:
        states: tuple[str, ...] = WAITING
    elif state == "all":
        states = STATES
    elif state in STATES:
        states = (state,)
    else:
        raise InvalidValue(f"--state: '{state}' is not one of {', '.join(STATES)}, all")
    return Selection(numbers, layer, load, rule, states)


def _one(store: Store, number: int) -> RefusedRow:
    found = store.fetch(refused_rows(Selection(ids=(number,), states=STATES)))
    if not found:
        raise FeatureNotFound(f"there is no refused row {number}")
    return read_refused(found[0])


def _by_id(store: Store, numbers: list[int]) -> dict[int, RefusedRow]:
    rows = store.fetch(refused_rows(Selection(ids=tuple(numbers)))) if numbers else []
    return {row.quarantine_id: row for row in map(read_refused, rows)}
