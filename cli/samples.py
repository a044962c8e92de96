"""The sample city: the files that ``manifest.yaml`` lists, loaded once each."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from etl.checksums import source_checksum
from etl.load import LoadRequest, load
from etl.settings import EtlSettings
from gis.times import parse_instant
from layers.catalogue import Catalogue
from layers.errors import OneMapError
from layers.store import Store
from layers.yaml_source import load_model


class SampleFile(BaseModel):
    """One file of the sample city, and what a load must be told of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Relative to the manifest's folder.
    file: Path
    layer: str
    valid_from: Annotated[datetime, BeforeValidator(parse_instant)]
    crs: str | None = None
    source_layer: str | None = None
    encoding: str | None = None
    mapping: Path | None = None
    full: bool = False


class Manifest(BaseModel):
    """``manifest.yaml``: the files in the order in which they must be loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    loads: tuple[SampleFile, ...] = Field(min_length=1)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder of samples.

    Raises:
        OneMapError: The folder has none, or it is wrong.
    """
    path = folder / "manifest.yaml"
    if not path.is_file():
        raise OneMapError(
            f"there is no {path}: run this in the folder of One Map's sources, or name another "
            "folder of samples in ONEMAP_SAMPLES_DIR"
        )
    return load_model(path, Manifest)


def load_samples(
    folder: Path,
    store: Store,
    catalogue: Catalogue,
    settings: EtlSettings,
    tell: Callable[[str], None],
) -> int:
    """Load every file of the manifest that was not loaded before.

    Args:
        folder: The folder with ``manifest.yaml``.
        store: Where to; its tables must be there.
        catalogue: The layers and code lists.
        settings: Batch size and limits of loads.
        tell: Is given one line for each file that is loaded.

    Returns:
        The number of files that were loaded.

    Raises:
        OneMapError: The manifest or a file is wrong, or the database went away. What was loaded
            before stays.
    """
    loaded = 0
    for sample in read_manifest(folder).loads:
        source = folder / sample.file
        if store.was_loaded(sample.layer, source_checksum(source), sample.valid_from):
            continue
        report = load(
            LoadRequest(
                source=source,
                layer=sample.layer,
                mapping=folder / sample.mapping if sample.mapping else None,
                valid_from=sample.valid_from,
                crs=sample.crs,
                source_layer=sample.source_layer,
                encoding=sample.encoding,
                operator="samples",
                full=sample.full,
            ),
            store,
            catalogue,
            settings,
        )
        loaded += 1
        title = catalogue.layer(sample.layer).title
        tell(f"{sample.valid_from:%Y-%m-%d}  {title.zh} {title.en}: {report.rows:,} rows")
    return loaded
