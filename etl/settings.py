"""Settings of the ETL, read once at a door and passed down."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class EtlSettings(BaseSettings):
    """How loads work on this machine; environment variables begin with ``ONEMAP_ETL_``."""

    model_config = SettingsConfigDict(env_prefix="ONEMAP_ETL_", frozen=True)

    #: Rows that are read, checked and sent at once.
    batch_rows: int = Field(default=16_384, ge=1, le=1_000_000)
    #: Share of bad rows (0 to 1) above which a load is refused.
    max_bad: float = Field(default=0.05, ge=0, le=1)
    #: Unpacked size above which an archive is refused, bytes.
    max_unpacked_bytes: int = Field(default=20 * 1024**3, ge=1)
    #: Examples that the report keeps for each broken rule.
    examples: int = Field(default=5, ge=0, le=100)
    #: How often a load is tried that fails for want of something: database, disk, memory.
    max_attempts: int = Field(default=5, ge=1, le=100)
    #: Seconds before such a load is tried again; doubled each time, up to a quarter of an hour.
    retry_s: float = Field(default=10.0, gt=0, le=900)
    #: Loads that a worker runs at once.
    concurrency: int = Field(default=2, ge=1, le=64)
    #: Seconds without a sign of life after which a worker's loads go to another.
    heartbeat_s: float = Field(default=30.0, ge=1, le=3600)
    #: Seconds that a worker that is told to stop gives its loads to end; then it gives them back.
    grace_s: float = Field(default=30.0, ge=0, le=86_400)
    #: Folder where uploaded surveys wait; servers and workers must share it.
    spool_dir: Path = Path(".onemap/spool")
    #: Largest upload, bytes.
    max_upload_bytes: int = Field(default=10 * 1024**3, ge=1)
    #: Days for which the upload of a load that was not done is kept.
    spool_days: float = Field(default=14.0, gt=0)
    #: Folder whose files may be named in ``POST /api/loads``; without one, none may.
    inbox_dir: Path | None = None
    #: Hosts whose collections may be named in ``POST /api/loads``, as a JSON list.
    harvest_hosts: tuple[str, ...] = ()
