"""``onemap load``: a survey file becomes versions of a layer's features."""

import getpass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.city import catalogue_of, database_url, open_desk, open_store
from cli.load_bar import load_bar
from cli.load_watch import follow, outcome_text
from cli.settings import read_settings
from cli.signals import orderly_end
from cli.suggestions import suggested
from etl.formats import is_address
from etl.jobs import Tools, load_now, queued_load
from etl.load import LoadRequest, Progress, RefusedLoad
from etl.report import LoadReport
from etl.settings import EtlSettings
from gis.late import LateModule
from gis.times import parse_instant
from layers.errors import OneMapError
from layers.settings import LayersSettings

if TYPE_CHECKING:
    from cli import load_history, pyramid_follow_up
else:
    load_history = LateModule("cli.load_history")
    pyramid_follow_up = LateModule("cli.pyramid_follow_up")

_STILL_QUEUED = "interrupted: a load that was queued goes on without being watched"
#: Exit status after Ctrl-C, as shells have it: 128 + SIGINT.
_INTERRUPTED = 130


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _share(text: str) -> float:
    """Read ``5%`` or ``0.05``."""
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise typer.BadParameter(f"'{text}' is not a share: write 5% or 0.05")
    return share


def load_command(
    file: Annotated[
        str,
        typer.Argument(help="A survey file, a folder or zip of them, or a server's address."),
    ],
    layer: Annotated[
        str | None, typer.Option("--layer", "-l", help="The layer; a mapping may name it.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", "-m", help="How the file's columns fit the layer.")
    ] = None,
    valid_from: Annotated[
        datetime | None,
        typer.Option(parser=_instant, metavar="DATE", help="Since when things are so; today."),
    ] = None,
    crs: Annotated[
        str | None, typer.Option(help="The survey's reference system, such as EPSG:4547.")
    ] = None,
    source_layer: Annotated[
        str | None, typer.Option(help="The file's layer, where it has several.")
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", help="The file's format, where it does not show.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="The encoding of its text.")] = None,
    operator: Annotated[
        str | None, typer.Option(help="Who answers for this load; the user's name.")
    ] = None,
    max_bad: Annotated[
        float | None,
        typer.Option(parser=_share, metavar="SHARE", help="Accept up to so many bad rows; 5%."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="The survey is complete: what it misses has ended.")
    ] = False,
    anywhere: Annotated[
        bool, typer.Option("--anywhere", help="Accept positions outside the CRS's area of use.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="Write the report to this file: JSON, or a page if it is named .html."),
    ] = None,
    suggest_mapping: Annotated[
        bool, typer.Option("--suggest", help="Load nothing: propose a mapping for the file.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write the proposed mapping to this file.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything but change the map.")
    ] = False,
    pyramid: Annotated[
        bool,
        typer.Option("--pyramid/--no-pyramid", help="Renew the layer's pyramid after the load."),
    ] = True,
    queue: Annotated[
        bool, typer.Option("--queue", help="Do not load it here: leave it to onemap worker.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--follow", help="With --queue: wait for the load's end.")
    ] = False,
) -> None:
    """Load a survey file into a layer: all its good rows in one transaction, or nothing."""
    request = LoadRequest(
        source=file if is_address(file) else Path(file),
        layer=layer,
        mapping=mapping,
        valid_from=valid_from,
        crs=crs,
        source_layer=source_layer,
        format=format_name,
        encoding=encoding,
        operator=operator or _user(),
        max_bad=max_bad,
        full=full,
        anywhere=anywhere,
        dry_run=dry_run,
    )
    if suggest_mapping or out is not None:
        _suggest(request, out, asked=suggest_mapping)
        return
    _refuse_unfit(queue=queue, wait=wait, report=report)
    try:
        if queue:
            _queue(request, wait=wait)
            return
        done = _run(request, pyramid=pyramid)
    except RefusedLoad as error:
        _write(report, error.report)
        _fail(str(error))
    except OneMapError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail(_STILL_QUEUED if queue else "interrupted: nothing was changed", _INTERRUPTED)
    else:
        _write(report, done)
        typer.echo(done.as_text())


def register(app: typer.Typer) -> None:
    """Add ``load`` to the command line."""
    app.command("load")(load_command)


def _refuse_unfit(*, queue: bool, wait: bool, report: Path | None) -> None:
    """Refuse options that do not go together, and a report that cannot be written."""
    if report is not None and not report.absolute().parent.is_dir():
        _fail(f"{report}: the report cannot be written: there is no folder {report.parent}")
    if report is not None and report.is_dir():
        _fail(f"{report}: the report cannot be written: it is a folder")
    if wait and not queue:
        _fail("--follow goes with --queue; without it the load runs here and is shown anyway")
    if queue and report is not None:
        _fail("--report does not go with --queue: the load's record keeps its report")


def _suggest(request: LoadRequest, out: Path | None, *, asked: bool) -> None:
    """Propose a mapping instead of loading."""
    if not asked:
        _fail("--out goes with --suggest: it is where the proposed mapping is written")
    if request.mapping is not None:
        _fail("--suggest proposes a mapping: give it none")
    try:
        typer.echo(suggested(request, out))
    except OneMapError as error:
        _fail(str(error))


def _run(request: LoadRequest, *, pyramid: bool) -> LoadReport:
    settings, etl = read_settings(LayersSettings), read_settings(EtlSettings)
    catalogue, url = catalogue_of(settings), database_url(settings)
    with orderly_end(), open_store(url, catalogue) as store, open_desk(url) as desk:
        with load_bar() as bar:
            report = load_now(request, Tools(store, desk, catalogue, etl), bar.tell)
            if pyramid and not request.dry_run:
                pyramid_follow_up.follow_up(
                    [report.layer],
                    catalogue,
                    lambda state: bar.tell(Progress("pyramid", state.done, state.total)),
                )
            return report


def _queue(request: LoadRequest, *, wait: bool) -> None:
    """Hand a load to the workers, and say its number."""
    settings = read_settings(LayersSettings)
    catalogue = catalogue_of(settings)
    with orderly_end(), open_desk(database_url(settings)) as desk:
        desk.refuse_unfit(catalogue)
        load_id = desk.submit(queued_load(request, catalogue)).load_id
        typer.echo(f"load {load_id} is queued: onemap loads watch {load_id}")
        if not wait:
            return
        record = follow(desk, load_id)
    typer.echo(outcome_text(record))
    if record.status != "done":
        raise typer.Exit(1)


def _write(path: Path | None, report: LoadReport) -> None:
    if path is None:
        return
    if path.suffix.lower() in (".html", ".htm"):
        if report.load_id is not None:
            with load_history.city() as (store, catalogue):
                load_history.write_page(store, catalogue, report.load_id, path)
        return
    try:
        path.write_text(report.as_json() + "\n", encoding="utf-8")
    except OSError as error:
        _fail(f"{path}: the report cannot be written: {error.strerror}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _fail(message: str, status: int = 1) -> None:
    typer.echo(f"onemap load: {' '.join(message.split())}", err=True)
    raise typer.Exit(status)
