"""Settings of the store, read once at a door from the environment and passed down."""

from pathlib import Path

from pydantic import Field, PostgresDsn, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from layers.errors import DatabaseUnavailable


class LayersSettings(BaseSettings):
    """Where the city map is kept and how it may be read.

    Every setting is read from the environment variable ``ONEMAP_`` + its name.
    """

    model_config = SettingsConfigDict(env_prefix="ONEMAP_", frozen=True, extra="ignore")

    #: Address of a PostgreSQL (15 or newer) database with PostGIS:
    #: ``postgresql://user:password@host:port/database``.
    database_url: SecretStr | None = None
    #: A further folder of layer definitions beside the ones shipped.
    extra_layers: Path | None = None
    #: A further folder of maps beside the ones shipped.
    extra_maps: Path | None = None
    #: Connections a server process may hold for reading; times processes, it must stay below
    #: the database's ``max_connections``.
    pool_size: int = Field(default=4, ge=1, le=100)
    #: Seconds a request waits for a free connection before it is told to come back.
    pool_wait_s: float = Field(default=5.0, gt=0)
    #: Requests that may wait for a connection; beyond it they are told to come back at once.
    pool_queue: int = Field(default=128, ge=0, le=100_000)
    #: Seconds after which the database gives up a query.
    statement_timeout_s: float = Field(default=15.0, gt=0)
    #: Exports that may run at once in a server process, each with a connection; one connection
    #: at least is left for the rest, if there are two.
    export_connections: int = Field(default=2, ge=1, le=100)
    #: Seconds that an export may take, the client's reading included.
    export_timeout_s: float = Field(default=1800.0, gt=0)
    #: Seconds after which rendering a tile is given up, such as one with too costly a filter.
    tile_timeout_s: float = Field(default=10.0, gt=0)
    #: Most features that are counted; of more the number matched is an estimate.
    count_limit: int = Field(default=10_000, ge=1)
    #: Seconds that counting may take; beyond it the number matched is an estimate.
    count_timeout_s: float = Field(default=1.0, gt=0)

    def url(self) -> str:
        """Return the database address, checked.

        Raises:
            DatabaseUnavailable: If none is set or it is not one of PostgreSQL; the message does
                not repeat it, for it may hold a password.
        """
        if self.database_url is None:
            raise DatabaseUnavailable("ONEMAP_DATABASE_URL is not set")
        text = self.database_url.get_secret_value()
        try:
            PostgresDsn(text)
        except ValidationError:
            raise DatabaseUnavailable(
                "ONEMAP_DATABASE_URL is not an address such as "
                "postgresql://user:password@host:5432/database"
            ) from None
        return text
