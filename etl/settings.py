"""Settings of the ETL, read once at a door and passed down."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class EtlSettings(BaseSettings):
    """How loads work on this machine; environment variables begin with ``ONEMAP_ETL_``."""

    model_config = SettingsConfigDict(env_prefix="ONEMAP_ETL_", frozen=True)

    #: Rows that are read, checked and sent at once.
    batch_rows: int = Field(default=32_768, ge=1, le=1_000_000)
    #: Share of bad rows (0 to 1) above which a load is refused.
    max_bad: float = Field(default=0.05, ge=0, le=1)
    #: Unpacked size above which an archive is refused, bytes.
    max_unpacked_bytes: int = Field(default=20 * 1024**3, ge=1)
    #: Examples that the report keeps for each broken rule.
    examples: int = Field(default=5, ge=0, le=100)
