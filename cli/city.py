"""What most commands need: the catalogue and the store that the environment names."""

from collections.abc import Iterator
from contextlib import contextmanager

from layers.catalogue import Catalogue, load_catalogue
from layers.database import translated_errors, writing_engine
from layers.errors import DatabaseUnavailable
from layers.load_desk import LoadDesk
from layers.schema import shortcomings
from layers.settings import LayersSettings
from layers.store import Store


def catalogue_of(settings: LayersSettings) -> Catalogue:
    """Return the shipped definitions together with the folders that the settings add.

    Raises:
        DefinitionError: A definition is wrong; the message names file, line and field.
    """
    return load_catalogue(extra_layers=settings.extra_layers, extra_maps=settings.extra_maps)


def database_url(settings: LayersSettings) -> str:
    """Return the address of the database.

    Raises:
        DatabaseUnavailable: None is set.
    """
    if settings.database_url is None:
        raise DatabaseUnavailable(
            "ONEMAP_DATABASE_URL is not set: give the address of a PostGIS database, such as "
            "postgresql://user:password@127.0.0.1:5432/onemap"
        )
    return settings.database_url.get_secret_value()


@contextmanager
def open_store(url: str, catalogue: Catalogue) -> Iterator[Store]:
    """The store at ``url``, closed at the end.

    Raises:
        DatabaseUnavailable: The address is not one of PostgreSQL.
    """
    store = Store(url, catalogue)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def open_desk(url: str) -> Iterator[LoadDesk]:
    """The desk of loads at ``url``, closed at the end.

    Raises:
        DatabaseUnavailable: The address is not one of PostgreSQL.
    """
    desk = LoadDesk(url)
    try:
        yield desk
    finally:
        desk.close()


def refuse_unready(url: str, catalogue: Catalogue) -> None:
    """See to it that a server over this database has something to serve.

    Raises:
        DatabaseUnavailable: It cannot be reached, or must be migrated first.
    """
    engine = writing_engine(url)
    try:
        with translated_errors(engine), engine.connect() as connection:
            missing = shortcomings(connection, catalogue)
    finally:
        engine.dispose()
    if missing:
        raise DatabaseUnavailable("; ".join(missing))
