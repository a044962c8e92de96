"""What follows a load: the pyramids of the layers that it changed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from cli.city import database_url
from cli.settings import read_settings
from layers.catalogue import Catalogue
from layers.errors import OneMapError
from layers.pyramid_bands import bands_of
from layers.pyramid_store import PyramidStore
from layers.settings import LayersSettings
from tiles.pyramid.building import BuildProgress, build_pyramid

Tell = Callable[[BuildProgress], None]


@contextmanager
def open_pyramids(url: str) -> Iterator[PyramidStore]:
    """The pyramids of the database at ``url``, closed at the end."""
    store = PyramidStore(url)
    try:
        yield store
    finally:
        store.close()


def follow_up(
    layers: list[str], catalogue: Catalogue, tell: Tell = lambda _: None, url: str | None = None
) -> None:
    """Bring the pyramids of layers up to their last load, which is done whatever happens here.

    Where that fails or is interrupted, a line on standard error says so; a worker, the next load of
    the layer or ``onemap pyramid build`` catches up.
    """
    wanted = [catalogue.layers[name] for name in layers if bands_of(catalogue.layers[name])]
    if not wanted:
        return
    try:
        with open_pyramids(url or database_url(read_settings(LayersSettings))) as store:
            for layer in wanted:
                build_pyramid(store, layer, tell=tell)
    except (OneMapError, KeyboardInterrupt) as error:
        reason = str(error) or "interrupted"
        names = " ".join(layer.name for layer in wanted)
        typer.echo(
            f"the load is done, but the pyramid is behind ({' '.join(reason.split())}): "
            f"onemap pyramid build {names}",
            err=True,
        )
