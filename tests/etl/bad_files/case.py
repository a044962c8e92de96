"""A bad file, and helpers to make one out of a good one."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas

from tests.etl.conftest import plots

Maker = Callable[[Path], Path]
#: The size that a file pretends to have.
TEN_GB = 10 << 30


@dataclass(frozen=True)
class BadFile:
    """One row of the table."""

    #: What is wrong, in words.
    name: str
    #: Makes the file in an empty folder and returns its path.
    make: Maker
    #: What the refusal says (a regular expression); ``None`` where the rest is accepted.
    says: str | None = None
    #: The rules that rows break, with the number of rows, where the rest is accepted.
    rules: Mapping[str, int] = field(default_factory=dict)
    #: Rows that are accepted.
    good: int = 0
    #: The layer of ``tests/etl/conftest.py`` it goes into.
    layer: str = "plot"
    #: What is said at loading; ``crs`` and the like.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: In how many seconds it has to be refused.
    seconds: float = 20.0


def survey(count: int = 6, **columns: list[Any]) -> geopandas.GeoDataFrame:
    """A good survey, EPSG:4490, that would be accepted by the layer ``plot``."""
    return plots(count, **columns)


def written(name: str, driver: str, rows: geopandas.GeoDataFrame | None = None) -> Maker:
    """Write a survey with GDAL."""

    def make(folder: Path) -> Path:
        path = folder / name
        (survey() if rows is None else rows).to_file(path, driver=driver)
        return path

    return make


def content(name: str, data: bytes | str) -> Maker:
    """Write just that."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return make


def cut(make: Maker, share: float, suffix: str | None = None) -> Maker:
    """Keep only so much of a good file, or of its companion with ``suffix``."""

    def spoil(folder: Path) -> Path:
        path = make(folder)
        target = path.with_suffix(suffix) if suffix else path
        os.truncate(target, int(target.stat().st_size * share))
        return path

    return spoil


def patched(make: Maker, place: float, data: bytes, suffix: str | None = None) -> Maker:
    """Write over a good file: from that byte on, or from that share of it."""

    def spoil(folder: Path) -> Path:
        path = make(folder)
        target = path.with_suffix(suffix) if suffix else path
        whole = bytearray(target.read_bytes())
        start = int(place if place >= 1 or place == 0 else place * len(whole))
        whole[start : start + len(data)] = data
        target.write_bytes(whole)
        return path

    return spoil


def without(make: Maker, suffix: str) -> Maker:
    """Lose a companion of a good file."""

    def spoil(folder: Path) -> Path:
        path = make(folder)
        path.with_suffix(suffix).unlink()
        return path

    return spoil


def stretched(make: Maker) -> Maker:
    """Let a file claim ten gigabytes that are not there (a sparse file)."""

    def spoil(folder: Path) -> Path:
        path = make(folder)
        os.truncate(path, TEN_GB)
        return path

    return spoil


def replaced(make: Maker, old: bytes, new: bytes) -> Maker:
    """Replace text in a good file."""

    def spoil(folder: Path) -> Path:
        path = make(folder)
        data = path.read_bytes()
        assert old in data, f"{path} has no {old!r}"
        path.write_bytes(data.replace(old, new))
        return path

    return spoil
