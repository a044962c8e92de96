"""The store on disk: trusted files only, cleared exactly, bounded, and safe between processes."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from layers.tile_news import tile_code
from tests.tiles.stores import STAFF, TOWN, change, file_of, held, put
from tiles.store_ledger import Ledger, LedgerFile
from tiles.store_usage import make_room
from tiles.tile_store import TileStore, UnfitStore

VERSIONS = {"plot": 1, "lamp": 1, "secret": 1}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TileStore]:
    opened = TileStore(tmp_path / "store", [TOWN], VERSIONS)
    yield opened
    opened.close()


def test_tiles_are_kept_over_restarts(store: TileStore, tmp_path: Path) -> None:
    assert put(store, TOWN, 14, 5, 6, b"new")
    assert put(store, STAFF, 14, 5, 6, b"more")
    assert put(store, TOWN, 14, 5, 7, b"")
    other = TileStore(tmp_path / "store", [TOWN], VERSIONS)
    assert held(other, TOWN, 14, 5, 6) == b"new"
    assert held(other, STAFF, 14, 5, 6) == b"more"
    assert held(other, TOWN, 14, 5, 7) == b""
    assert held(other, TOWN, 14, 5, 8) is None
    assert not file_of(other, TOWN, 14, 5, 7).exists()
    other.close()


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "swap"])
def test_a_damaged_file_is_found_and_removed(store: TileStore, damage: str) -> None:
    put(store, TOWN, 14, 5, 6, b"tile" * 100)
    put(store, TOWN, 14, 5, 7, b"other" * 100)
    path = file_of(store, TOWN, 14, 5, 6)
    raw = bytearray(path.read_bytes())
    if damage == "flip":
        raw[len(raw) // 2] ^= 1
    elif damage == "cut":
        del raw[-5:]
    elif damage == "empty":
        raw.clear()
    else:
        raw[:] = file_of(store, TOWN, 14, 5, 7).read_bytes()
    path.write_bytes(raw)
    assert held(store, TOWN, 14, 5, 6) is None
    assert not path.exists()
    assert held(store, TOWN, 14, 5, 7) == b"other" * 100


def test_a_sweep_removes_what_changed_and_nothing_else(store: TileStore) -> None:
    for x, y in ((5, 6), (5, 7), (6, 6)):
        put(store, TOWN, 14, x, y)
        put(store, TOWN, 12, x, y)
        put(store, STAFF, 14, x, y)
    put(store, TOWN, 14, 7, 7, b"")
    put(store, TOWN, 14, 7, 8, b"")
    put(store, TOWN, 20, 5 << 2, 6 << 2)
    put(store, TOWN, 20, 9 << 2, 6 << 2)
    store.sweep(
        {"plot": 2},
        [
            change("plot", 2, 14, [(5, 6), (7, 7), (9, 9)]),
            change("plot", 2, 12, []),
            change("plot", 2, 18, [(5, 6)]),
            # Not of this layer's turn: it is for another sweep.
            change("lamp", 2, 14, None),
        ],
    )
    assert held(store, TOWN, 14, 5, 6) is None
    assert held(store, STAFF, 14, 5, 6) is None
    assert held(store, TOWN, 14, 7, 7) is None
    assert held(store, TOWN, 14, 7, 8) == b""
    assert held(store, TOWN, 20, 5 << 2, 6 << 2) is None
    assert held(store, TOWN, 20, 9 << 2, 6 << 2) == b"tile"
    for x, y in ((5, 7), (6, 6)):
        assert held(store, TOWN, 14, x, y) == held(store, STAFF, 14, x, y) == b"tile"
    assert held(store, TOWN, 12, 5, 6) == b"tile"
    assert store.swept() == {"plot": 2, "lamp": 1, "secret": 1}


def test_a_whole_zoom_goes_at_once(store: TileStore) -> None:
    put(store, TOWN, 14, 5, 6)
    put(store, TOWN, 14, 5, 7, b"")
    put(store, TOWN, 9, 5, 6)
    put(store, TOWN, 13, 5, 6)
    store.sweep({"plot": 2}, [change("plot", 2, zoom, None) for zoom in (9, 14)])
    assert held(store, TOWN, 14, 5, 6) is held(store, TOWN, 14, 5, 7) is None
    assert held(store, TOWN, 9, 5, 6) == held(store, TOWN, 13, 5, 6) == b"tile"
    assert os.listdir(store.root / "trash")
    store.empty_trash()
    assert not os.listdir(store.root / "trash")


def test_what_has_not_seen_an_announced_change_is_not_kept(store: TileStore) -> None:
    store.sweep({"plot": 2}, [change("plot", 2, 14, [(1, 1)])])
    assert not put(store, TOWN, 14, 5, 6, versions={"plot": 1, "lamp": 1})
    assert not put(store, TOWN, 14, 5, 6, b"", versions={"plot": 1, "lamp": 1})
    assert held(store, TOWN, 14, 5, 6) is None
    assert put(store, TOWN, 14, 5, 6, versions={"plot": 2, "lamp": 1})
    assert put(store, TOWN, 14, 5, 7, versions={"plot": 3, "lamp": 1})
    assert not os.listdir(store.root / "tmp")


def test_a_sweep_that_died_is_done_again(store: TileStore, tmp_path: Path) -> None:
    put(store, TOWN, 14, 5, 6)
    ledger = LedgerFile(store.root / "ledger")
    ledger.write(Ledger(True, {"plot": 2, "lamp": 1}, {"plot": 1, "lamp": 1}))
    other = TileStore(tmp_path / "store", [TOWN], VERSIONS | {"plot": 2})
    assert other.swept()["plot"] == 1
    other.sweep({"plot": 2}, [change("plot", 2, 14, [(5, 6)])])
    assert held(other, TOWN, 14, 5, 6) is None
    ledger.close()
    other.close()


def test_a_torn_ledger_leaves_the_former_one(tmp_path: Path) -> None:
    file = LedgerFile(tmp_path / "ledger")
    assert file.read() == Ledger()
    first, second = Ledger(True, {"plot": 1}, {}), Ledger(True, {"plot": 2}, {"plot": 2})
    file.write(first)
    file.write(second)
    assert file.read() == second
    raw = bytearray((tmp_path / "ledger").read_bytes())
    place = raw.index(b'"plot":2')
    raw[place + 7] ^= 1
    (tmp_path / "ledger").write_bytes(raw)
    again = LedgerFile(tmp_path / "ledger")
    assert again.read() == first
    again.write(second)
    assert again.read() == second
    file.close()
    again.close()


def test_a_store_that_knows_more_than_the_database_begins_anew(
    store: TileStore, tmp_path: Path
) -> None:
    put(store, TOWN, 14, 5, 6)
    other = TileStore(tmp_path / "store", [TOWN], VERSIONS | {"lamp": 0})
    assert held(other, TOWN, 14, 5, 6) is None
    assert other.swept() == VERSIONS | {"lamp": 0}
    other.close()


def test_a_family_that_nobody_knows_is_thrown_away(store: TileStore) -> None:
    put(store, STAFF, 14, 5, 6)
    (store.root / STAFF.folder / "family.json").write_text("{")
    store.sweep({"plot": 2}, [change("plot", 2, 3, [(0, 0)])])
    assert held(store, STAFF, 14, 5, 6) is None


def test_the_least_recently_used_tiles_go(store: TileStore) -> None:
    for y in range(40):
        put(store, TOWN, 14, 5, y, os.urandom(20_000))
        os.utime(
            file_of(store, TOWN, 14, 5, y),
            ns=((1_700_000_000 + y) * 10**9, 5_000_000_000 * 10**9),
        )
    assert store.usage.bytes > 40 * 20_000
    assert make_room(store.root, store.usage, 2_000_000) == 0
    # Reading is using: the system notes it in the file's access time.
    assert held(store, TOWN, 14, 5, 0) is not None
    used = file_of(store, TOWN, 14, 5, 0).stat().st_atime
    removed = make_room(store.root, store.usage, 500_000)
    assert 15 <= removed <= 25
    assert store.usage.bytes <= 450_000
    assert held(store, TOWN, 14, 5, 39) is not None
    assert held(store, TOWN, 14, 5, 1) is None
    assert (held(store, TOWN, 14, 5, 0) is not None) == (used > 1_700_000_100)


def test_a_full_disk_is_said_and_leaves_nothing_behind(
    store: TileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", refuse)
        with pytest.raises(OSError, match="No space"):
            put(store, TOWN, 14, 5, 6)
    assert held(store, TOWN, 14, 5, 6) is None
    assert not os.listdir(store.root / "tmp")
    # What is announced needs no room.
    store.sweep({"plot": 2}, [change("plot", 2, 14, [(5, 6)])])
    assert put(store, TOWN, 14, 5, 6, versions={"plot": 2, "lamp": 1})


def test_a_folder_that_cannot_be_a_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnfitStore, match="ONEMAP_TILE_STORE"):
        TileStore(tmp_path / "file" / "store", [TOWN], VERSIONS)


def test_stores_of_nobody_are_discarded(store: TileStore, tmp_path: Path) -> None:
    left = TileStore(tmp_path / "left", [TOWN], VERSIONS)
    used = TileStore(tmp_path / "used", [TOWN], VERSIONS)
    left.close()
    store.discard_others(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["store", "used"]
    used.close()


_WRITER = """
import sys
from pathlib import Path
from tests.tiles.stores import TOWN, put
from tiles.tile_store import TileStore
store = TileStore(Path(sys.argv[1]), [TOWN], {"plot": 1, "lamp": 1})
print("ready", flush=True)
number = 0
while True:
    number += 1
    versions = {"plot": store.swept()["plot"], "lamp": 1}
    for y in range(8):
        put(store, TOWN, 14, 5, y, b"%d" % versions["plot"], versions)
"""


def test_no_writer_outlasts_a_sweep_and_none_that_dies_blocks_it(tmp_path: Path) -> None:
    """Processes write as fast as they can, are killed, and never leave an older tile."""
    root = tmp_path / "store"
    store = TileStore(root, [TOWN], {"plot": 1, "lamp": 1})
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(root)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        tiles = [(5, y) for y in range(8)]
        for version in range(2, 40):
            store.sweep({"plot": version}, [change("plot", version, 14, tiles)])
            for _, y in tiles:
                kept = held(store, TOWN, 14, 5, y)
                assert kept is None or int(kept) >= version
            if version == 20:
                writers[0].kill()
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            assert writer.stdout is not None
            writer.stdout.close()
        store.close()


def test_threads_share_a_store(store: TileStore) -> None:
    """Many threads of one process may use the store at once."""
    kept: list[bool] = []

    def work(column: int) -> None:
        kept.extend(put(store, TOWN, 14, column, y) for y in range(30))

    threads = [threading.Thread(target=work, args=(column,)) for column in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 120
    assert all(kept)
    assert store.read(TOWN, 14, tile_code(0, 0)) is not None
