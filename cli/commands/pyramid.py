"""``onemap pyramid``: the generalised geometry that small scales are cut from."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.city import catalogue_of, database_url
from cli.load_bar import load_bar
from cli.pyramid_follow_up import open_pyramids
from cli.settings import read_settings
from cli.signals import orderly_end
from etl.load import Progress
from gis.times import BEIJING
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.errors import InvalidValue
from layers.pyramid_bands import bands_of
from layers.pyramid_store import BandState
from layers.settings import LayersSettings
from tiles.pyramid.building import BandBuilt, BuildProgress, build_pyramid

pyramid = typer.Typer(
    help="The generalised geometry that small scales are cut from.", no_args_is_help=True
)
_Layers = Annotated[list[str] | None, typer.Argument(metavar="[LAYER…]", help="Only these layers.")]
_INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Add ``pyramid``."""
    app.add_typer(pyramid, name="pyramid")


@pyramid.command("build")
def build(
    layers: _Layers = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Make all of it anew, not only what loads changed.")
    ] = False,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Processes for large layers; one a processor."),
    ] = None,
) -> None:
    """Bring pyramids up to the last load of their layers, each band wholly or not at all."""
    settings = read_settings(LayersSettings)
    wanted = _layers(catalogue_of(settings), layers)
    built: list[BandBuilt] = []
    try:
        with orderly_end(), open_pyramids(database_url(settings)) as store, load_bar() as bar:

            def tell(state: BuildProgress) -> None:
                bar.tell(Progress(stage_of(state), state.done, state.total))

            for layer in wanted:
                built += build_pyramid(
                    store, layer, anew=everything, processes=processes, tell=tell
                )
    except KeyboardInterrupt:
        typer.echo("interrupted: what was not finished stays as it was", err=True)
        raise typer.Exit(_INTERRUPTED) from None
    for band in built:
        typer.echo(_line(band))
    if not built:
        typer.echo("Nothing is behind.")


@pyramid.command("status")
def status(layers: _Layers = None) -> None:
    """Show how far the pyramids are; status 1 if one is behind its layer."""
    settings = read_settings(LayersSettings)
    wanted = _layers(catalogue_of(settings), layers)
    table = Table("layer", "zooms", "method", "state", box=None)
    table.add_column("rows", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("built")
    behind = False
    with open_pyramids(database_url(settings)) as store:
        for layer in wanted:
            for band in store.states(layer, bands_of(layer)):
                behind |= band.behind > 0
                table.add_row(layer.name, *_cells(band))
    Console().print(table)
    if behind:
        raise typer.Exit(1)


def stage_of(state: BuildProgress) -> str:
    """Return what is said of a building while it goes on."""
    return f"pyramid of {state.layer}, z{state.zooms[0]}–{state.zooms[1]}"


def _layers(catalogue: Catalogue, names: list[str] | None) -> list[LayerDefinition]:
    """Return the layers wanted, or all that have a pyramid.

    Raises:
        UnknownLayer: If one is not there.
        InvalidValue: If one that was named has no pyramid.
    """
    if not names:
        return [layer for _, layer in sorted(catalogue.layers.items()) if bands_of(layer)]
    found = [catalogue.layer(name) for name in names]
    for layer in found:
        if not bands_of(layer):
            raise InvalidValue(f"the layer '{layer.name}' has no pyramid: its tiles need none")
    return found


def _line(band: BandBuilt) -> str:
    how = "made anew" if band.anew else f"{band.closed:,} rows closed"
    return (
        f"{band.layer} z{band.zooms[0]}–{band.zooms[1]}: {how}, {band.opened:,} opened in "
        f"{band.cells:,} cells, {band.rows:,} rows now, {band.seconds:.1f} s"
    )


def _cells(state: BandState) -> list[str]:
    if not state.built:
        said = "not built" if state.behind else "nothing to build"
    else:
        said = f"{state.behind} loads behind" if state.behind else "up to date"
    built = "" if state.built_at is None else f"{state.built_at.astimezone(BEIJING):%Y-%m-%d %H:%M}"
    zooms = f"{state.band.zooms[0]}–{state.band.zooms[1]}"
    return [zooms, state.band.method, said, f"{state.rows:,}", f"{state.seconds:.1f}", built]
