"""Rendered tiles on disk, shared by all server processes of a machine and kept over restarts.

A tile is a gzip file, ``FOLDER/Z/X/Y.gz``, that a web server may send as it is; the folder
``public`` holds what anybody may see. Whoever changes the store holds one of three locks:

- *gate*: shared while a tile is put in its place, alone while the ledger is written. So no tile is
  put there after a change was announced that it has not seen.
- *sweep*: held by the one process that clears away what a change made old.
- the lock of a key (``KeyLocks``): held by the one process that renders a tile.

Nothing is synchronised to the disk: a file is trusted for its checksum alone.
"""

import fcntl
import os
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from uuid import uuid4

import orjson

from layers.errors import OneMapError
from layers.tile_news import TileChange, tile_of_code
from tiles import empty_tiles
from tiles.families import OTHER, PUBLIC, TileFamily
from tiles.file_locks import KeyLocks, file_lock, try_file_lock
from tiles.packing import DamagedTile, PackedTile, pack, read_packed
from tiles.store_folders import EMPTY, ENDING, TRASH, empty_trash, remove, sweep, throw_away
from tiles.store_ledger import Ledger, LedgerFile
from tiles.store_usage import Usage

_TEMPORARY = "tmp"
#: Locked, shared, as long as a process uses the store.
_USE = "use.lock"
_FAMILY_FILE = "family.json"


class UnfitStore(OneMapError):
    """The folder cannot be a tile store."""


class TileStore:
    """One process's door to the store. Methods wait for the disk: call them in threads."""

    def __init__(
        self, root: Path, families: Iterable[TileFamily], versions: Mapping[str, int]
    ) -> None:
        """Open the store, making it where there is none.

        Args:
            root: Its folder, for one database and one set of definitions.
            families: Those of ``public``.
            versions: Layer → tile version, as just read.

        Raises:
            UnfitStore: If the folder cannot be written, or its file system does not keep the
                times of files that stand for their digests.
        """
        self._root = root
        self._public = tuple(families)
        self._names = count()
        self._process = f"{os.getpid()}-{uuid4().hex[:8]}"
        try:
            for folder in (PUBLIC, OTHER, TRASH, EMPTY, _TEMPORARY):
                (root / folder).mkdir(parents=True, exist_ok=True)
            # What not everybody may see is for the service alone.
            (root / OTHER).chmod(0o700)
            self._use = os.open(root / _USE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._use, fcntl.LOCK_SH)
            self._gate, self._sweep = root / "gate.lock", root / "sweep.lock"
            self.keys = KeyLocks(root / "keys.lock")
            self._ledger = LedgerFile(root / "ledger")
            self.usage = Usage(root / "usage")
            self._probe()
            self._begin(versions)
        except OSError as error:
            raise UnfitStore(
                f"the tile store {root} cannot be used: {error.strerror}; "
                "see ONEMAP_TILE_STORE in docs/settings.md"
            ) from error

    def _probe(self) -> None:
        probe = pack(b"probe", "probe")
        path = self._temporary()
        path.write_bytes(probe.packed)
        os.utime(path, (time.time(), probe.stamp))
        kept = int(path.stat().st_mtime)
        path.unlink()
        if kept != probe.stamp:
            raise UnfitStore(
                f"the tile store {self._root} is on a file system whose times end in 2038: "
                "choose another folder for ONEMAP_TILE_STORE"
            )

    @property
    def root(self) -> Path:
        """The store's folder."""
        return self._root

    def close(self) -> None:
        """Close the store's files."""
        self.keys.close()
        self._ledger.close()
        self.usage.close()
        os.close(self._use)

    def _temporary(self) -> Path:
        return self._root / _TEMPORARY / f"{self._process}-{next(self._names)}"

    # ------------------------------------------------------------ tiles

    @staticmethod
    def name(family: TileFamily, zoom: int, code: int) -> str:
        """Return the name of a tile in the store."""
        x, y = tile_of_code(code)
        return f"{family.folder}/{zoom}/{x}/{y}{ENDING}"

    def read(self, family: TileFamily, zoom: int, code: int) -> PackedTile | None:
        """Return a tile, or nothing where it is not kept; a damaged file is removed.

        Raises:
            OSError: If the disk fails.
        """
        name = self.name(family, zoom, code)
        path = f"{self._root}/{name}"
        try:
            with open(path, "rb", buffering=0) as file:
                packed = file.read()
        except FileNotFoundError:
            if empty_tiles.is_empty(self._root / EMPTY, family.folder, zoom, code):
                return pack(b"", name)
            return None
        try:
            return read_packed(packed, name)
        except DamagedTile:
            remove(path)
            return None

    def holds(self, family: TileFamily, zoom: int, code: int) -> bool:
        """Tell whether a tile is kept, sound or not.

        Raises:
            OSError: If the disk fails.
        """
        return os.path.exists(
            f"{self._root}/{self.name(family, zoom, code)}"
        ) or empty_tiles.is_empty(self._root / EMPTY, family.folder, zoom, code)

    def write(
        self,
        family: TileFamily,
        zoom: int,
        code: int,
        tile: PackedTile,
        versions: Mapping[str, int],
    ) -> bool:
        """Keep a tile, unless a change was announced that it has not seen.

        Args:
            family: The tile's family.
            zoom: Its zoom.
            code: Its column and row.
            tile: The tile, packed for its name.
            versions: Layer → tile version of what it shows.

        Returns:
            Whether it is kept.

        Raises:
            OSError: If the disk is full or fails.
        """
        made = self._temporary() if tile.size else None
        try:
            if made is not None:
                made.write_bytes(tile.packed)
                os.utime(made, (time.time(), tile.stamp))
            with file_lock(self._gate, shared=True):
                if not self._may_write(versions):
                    return False
                self._introduce(family)
                if made is None:
                    empty_tiles.remember(self._root / EMPTY, family.folder, zoom, code)
                else:
                    _move(made, self._root / self.name(family, zoom, code))
                    made = None
            self.usage.add(len(tile.packed))
            return True
        finally:
            if made is not None:
                made.unlink(missing_ok=True)

    def _may_write(self, versions: Mapping[str, int]) -> bool:
        ledger = self._ledger.read()
        return ledger.is_begun and all(
            version >= ledger.announced.get(layer, 0) for layer, version in versions.items()
        )

    def _introduce(self, family: TileFamily) -> None:
        """Write down which layers a family shows, so that every process can sweep its tiles."""
        path = self._root / family.folder / _FAMILY_FILE
        if family.folder.startswith(PUBLIC) or path.exists():
            return
        made = self._temporary()
        made.write_bytes(orjson.dumps({str(zoom): names for zoom, names in family.layers.items()}))
        _move(made, path)

    # ------------------------------------------------------------ changes

    def _begin(self, versions: Mapping[str, int]) -> None:
        """Begin anew where nothing is known of the store, or more than the database knows."""
        with file_lock(self._sweep), file_lock(self._gate):
            ledger = self._ledger.read()
            set_back = any(seen > versions.get(name, 0) for name, seen in ledger.swept.items())
            if ledger.is_begun and not set_back:
                return
            self._ledger.write(Ledger())
            for folder in (PUBLIC, OTHER, EMPTY):
                throw_away(self._root, self._root / folder)
                (self._root / folder).mkdir(0o700 if folder == OTHER else 0o755, exist_ok=True)
            self._ledger.write(Ledger(True, dict(versions), dict(versions)))

    def empty_trash(self) -> None:
        """Remove what was thrown away, and what processes that died have left."""
        empty_trash(self._root, self._root / _TEMPORARY)

    def discard_others(self, parent: Path) -> None:
        """Throw away the stores beside this one that no process uses.

        Raises:
            OSError: If the disk fails.
        """
        for lock in parent.glob(f"*/{_USE}"):
            if lock.parent == self._root:
                continue
            held = try_file_lock(lock)
            if held is not None:
                throw_away(self._root, lock.parent)
                os.close(held)

    def swept(self) -> Mapping[str, int]:
        """Return layer → tile version up to which the store is clear of older states.

        Raises:
            OSError: If the disk fails.
        """
        with file_lock(self._gate, shared=True):
            return self._ledger.read().swept

    def sweep(
        self,
        versions: Mapping[str, int],
        changes: Sequence[TileChange],
        set_back: Container[str] = (),
    ) -> None:
        """Clear away what changes made old, unless another process has done it.

        Args:
            versions: Layer → the tile version that is known, of the layers that changed.
            changes: All that changed in their tiles since ``swept`` told of them.
            set_back: Layers whose versions have become smaller.

        Raises:
            OSError: If the disk fails; then the store must not be trusted.
        """
        with file_lock(self._sweep):
            with file_lock(self._gate):
                ledger = self._ledger.read()
                behind = {
                    layer: version
                    for layer, version in versions.items()
                    if ledger.swept.get(layer, 0) < version or layer in set_back
                }
                if not behind:
                    return
                announced = {**ledger.announced, **behind}
                self._ledger.write(replace(ledger, announced=announced))
            sweep(self._root, self._families(), [c for c in changes if c.layer in behind])
            with file_lock(self._gate):
                ledger = self._ledger.read()
                self._ledger.write(replace(ledger, swept={**ledger.swept, **behind}))

    def _families(self) -> list[TileFamily]:
        """Return all families that have tiles here, those of other processes too."""
        found = list(self._public)
        for entry in os.scandir(self._root / OTHER):
            try:
                layers = orjson.loads(Path(entry.path, _FAMILY_FILE).read_bytes())
                zooms = {int(zoom): tuple(names) for zoom, names in layers.items()}
                found.append(TileFamily(f"{OTHER}/{entry.name}", zooms))
            except (OSError, ValueError):
                # Nobody can tell what these tiles show.
                throw_away(self._root, Path(entry.path))
        return found


def _move(made: Path, path: Path) -> None:
    try:
        os.rename(made, path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.rename(made, path)
