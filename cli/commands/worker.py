"""``onemap worker``: runs the loads that wait in the queue."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cli.city import catalogue_of, database_url, open_desk, open_store, refuse_unready
from cli.pyramid_keeper import keep_pyramids
from cli.settings import read_settings
from cli.signals import orderly_end
from etl.jobs import Tools, run_job
from etl.settings import EtlSettings
from etl.worker import Worker, answer_line, die_with_parent
from layers.catalogue import Catalogue
from layers.settings import LayersSettings

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def register(app: typer.Typer) -> None:
    """Add ``worker``, and what it starts for each load."""
    app.command("worker")(worker)
    app.command("run-load", hidden=True)(run_load)


def worker(
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Loads at once; ONEMAP_ETL_CONCURRENCY, 2."),
    ] = None,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End at once when standard input does.")
    ] = False,
) -> None:
    """Run the loads that wait in the queue, and renew pyramids, until SIGTERM or Ctrl-C.

    Several workers may run, on several machines. Told to stop, a worker takes no further load,
    gives those that run ONEMAP_ETL_GRACE_S seconds to end, and gives back what is left.
    """
    if with_parent:
        die_with_parent()
    settings = read_settings(LayersSettings)
    url = database_url(settings)
    with _tools() as tools:
        refuse_unready(url, tools.catalogue)
        command = (sys.executable, "-m", "cli", "run-load")
        hands = concurrency or tools.settings.concurrency
        asyncio.run(_work(Worker(url, tools, command), hands, url, tools.catalogue))


async def _work(worker: Worker, concurrency: int, url: str, catalogue: Catalogue) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, stop.set)
    keeper = asyncio.create_task(keep_pyramids(url, catalogue, stop))
    try:
        await worker.run(stop, concurrency)
    finally:
        stop.set()
        await keeper


def run_load(
    load: Annotated[int, typer.Argument(help="The load's number.")],
    job: Annotated[int, typer.Argument(help="The number of its job.")],
) -> None:
    """Run one load for a worker, which holds the other end of standard input."""
    die_with_parent()
    with orderly_end(), _tools() as tools:
        again = run_job(load, job, tools)
    typer.echo(answer_line(again))


@contextmanager
def _tools() -> Iterator[Tools]:
    settings = read_settings(LayersSettings)
    url, catalogue = database_url(settings), catalogue_of(settings)
    with open_store(url, catalogue) as store, open_desk(url) as desk:
        yield Tools(store, desk, catalogue, read_settings(EtlSettings))
