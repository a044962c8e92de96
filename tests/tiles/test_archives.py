"""Archives, against the reference library of PMTiles."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pmtiles.reader import MmapSource, Reader, all_tiles
from pmtiles.tile import (
    Entry,
    deserialize_directory,
    serialize_directory,
    tileid_to_zxy,
    zxy_to_tileid,
)

from layers.errors import OneMapError
from tiles.archives.directories import Entries, read_directory, write_directory
from tiles.archives.errors import BadArchive
from tiles.archives.facts import ArchiveFacts, BakeScope
from tiles.archives.index import TileIndex, overlaid
from tiles.archives.reading import ArchiveFile
from tiles.archives.tile_ids import DEEPEST, first_id, tile_id, tile_ids, tile_places, zoom_of
from tiles.archives.writing import write_archive
from tiles.packing import DamagedTile, pack

FACTS = ArchiveFacts(
    scope=BakeScope(map="town", zooms=(0, 20), bbox=(-180, -85, 180, 85)),
    generation="g",
    tile_versions={"plot": 3},
)


@given(data=st.data(), z=st.integers(0, DEEPEST))
def test_tiles_have_the_numbers_of_the_reference(data: st.DataObject, z: int) -> None:
    side = st.integers(0, 2**z - 1)
    places = data.draw(st.lists(st.tuples(side, side), min_size=1, max_size=20))
    x, y = np.array(places, np.int64).T
    numbers = tile_ids(z, x, y)
    assert numbers.tolist() == [zxy_to_tileid(z, *place) for place in places]
    assert numbers.tolist() == [tile_id(z, *place) for place in places]
    columns, rows = tile_places(z, numbers)
    assert list(zip(columns.tolist(), rows.tolist(), strict=True)) == places
    assert {zoom_of(number) for number in numbers.tolist()} == {z}
    assert tileid_to_zxy(first_id(z)) == (z, 0, 0)


ENTRY = st.tuples(st.integers(1, 2**30), st.integers(0, 9), st.integers(1, 2**20), st.booleans())


@given(st.lists(ENTRY, min_size=1, max_size=300), st.integers(0, 2**40))
def test_directories_are_those_of_the_reference(
    drawn: list[tuple[int, int, int, bool]], start: int
) -> None:
    ids = np.cumsum([step for step, _, _, _ in drawn])
    runs, lengths = (np.array([row[place] for row in drawn], np.int64) for place in (1, 2))
    offsets = np.cumsum(lengths) - lengths + start
    jumps = np.array([jump for _, _, _, jump in drawn])
    offsets = np.where(jumps, offsets // 2, offsets)
    written = write_directory(Entries(ids, runs, lengths, offsets))
    wanted = []
    for number in range(len(drawn)):
        entry = Entry(int(ids[number]), int(offsets[number]), int(lengths[number]), 0)
        entry.run_length = int(runs[number])
        wanted.append(entry)
    found = deserialize_directory(written)
    assert [vars_of(entry) for entry in found] == [vars_of(entry) for entry in wanted]
    read = read_directory(serialize_directory(wanted))
    for name in ("ids", "runs", "lengths", "offsets"):
        expected = {"ids": ids, "runs": runs, "lengths": lengths, "offsets": offsets}[name]
        np.testing.assert_array_equal(getattr(read, name), expected)


def vars_of(entry: Entry) -> tuple[int, int, int, int]:
    return (entry.tile_id, entry.offset, entry.length, entry.run_length)


def written(folder: Path, tiles: dict[int, bytes]) -> Path:
    """An archive of tiles by their numbers."""
    ids = np.array(sorted(tiles), np.int64)
    packed = [pack(tiles[number], "") for number in ids.tolist()]
    lengths = np.array([len(tile.packed) for tile in packed], np.int64)
    index = TileIndex(
        ids,
        np.zeros(len(ids), np.uint8),
        np.cumsum(lengths) - lengths,
        lengths,
        np.frombuffer(b"".join(tile.digest for tile in packed), "<u8").reshape(-1, 2),
    )
    source = memoryview(b"".join(tile.packed for tile in packed))
    target = folder / "some.pmtiles"
    write_archive(target, index, [source], FACTS, {"name": "some"}, (3, 114.0, 29.0))
    return target


TILES = st.dictionaries(
    st.integers(0, 5000), st.binary(min_size=1, max_size=3), min_size=1, max_size=200
)


@settings(max_examples=50, deadline=None)
@given(tiles=TILES)
def test_archives_are_read_by_the_reference(
    tiles: dict[int, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = written(tmp_path_factory.mktemp("archive"), tiles)
    with path.open("rb") as file:
        header = Reader(MmapSource(file)).header()
        found = {zxy_to_tileid(*place): data for place, data in all_tiles(MmapSource(file))}
    assert header["clustered"]
    assert header["addressed_tiles_count"] == len(tiles)
    assert header["tile_contents_count"] == len(set(tiles.values()))
    assert found == {number: pack(tile, "").packed for number, tile in tiles.items()}
    archive = ArchiveFile(path)
    assert archive.contents.facts.scope == FACTS.scope
    for number in range(max(tiles) + 2):
        z, x, y = tileid_to_zxy(number)
        name = f"{z}/{x}/{y}"
        assert archive.tile(z, x, y, name) == pack(tiles.get(number, b""), name)
    ids = np.concatenate([archive.ids_at(zoom) for zoom in range(9)])
    assert ids.tolist() == sorted(tiles)
    archive.close()


def test_a_large_archive_has_leaf_directories(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    numbers = np.cumsum(generator.integers(1, 40, 60_000)).tolist()
    tiles = {number: b"%d" % (number % 7919) for number in numbers}
    path = written(tmp_path, tiles)
    archive = ArchiveFile(path)
    assert archive.contents.header.leaves.length > 0
    assert archive.contents.header.contents == len(set(tiles.values()))
    with path.open("rb") as file:
        reader = Reader(MmapSource(file))
        for number in generator.choice(numbers, 300).tolist():
            z, x, y = tileid_to_zxy(number)
            tile = archive.tile(z, x, y, "here")
            assert tile.unpacked() == tiles[number]
            assert reader.get(z, x, y) == archive.packed(z, x, y)
    index = archive.index(0)
    assert index.ids.tolist() == numbers
    archive.close()


def test_the_last_of_overlaid_tiles_counts() -> None:
    def index(source: int, *ids: int) -> TileIndex:
        numbers = np.array(ids, np.int64)
        return TileIndex(
            numbers, np.full(len(ids), source, np.uint8), numbers, numbers,
            np.zeros((len(ids), 2), np.uint64),
        )  # fmt: skip

    over = overlaid([index(0, 1, 2, 5), index(1, 2, 3), index(2, 3, 9)])
    assert over.ids.tolist() == [1, 2, 3, 5, 9]
    assert over.sources.tolist() == [0, 1, 2, 0, 2]
    assert len(overlaid([])) == 0


@contextmanager
def damaged(path: Path, place: int) -> Iterator[None]:
    octets = bytearray(path.read_bytes())
    whole = bytes(octets)
    octets[place] ^= 0x55
    path.write_bytes(octets)
    try:
        yield
    finally:
        path.write_bytes(whole)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, {number: b"%d" % number for number in range(400)})
    archive = ArchiveFile(path)
    header = archive.contents.header
    archive.close()
    for place in range(header.tiles.offset):
        # Numbers of the header that only tell of the archive; bounds; times in gzip headers.
        told = 4 <= place - header.metadata.offset < 10
        if 72 <= place < 97 or 100 <= place < 127 or told:
            continue
        with damaged(path, place), pytest.raises(BadArchive):
            ArchiveFile(path).close()
    for kept in (0, 5, 126, 127, header.tiles.offset, header.tiles.end - 1):
        part = tmp_path / "cut.pmtiles"
        part.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(BadArchive):
            ArchiveFile(part)


def test_a_damaged_tile_is_known(tmp_path: Path) -> None:
    path = written(tmp_path, {number: b"%d" % number for number in range(5)})
    archive = ArchiveFile(path)
    tiles = archive.contents.header.tiles
    for place in range(tiles.offset, tiles.end):
        with damaged(path, place):
            bad = 0
            for number in range(5):
                z, x, y = tileid_to_zxy(number)
                try:
                    assert archive.tile(z, x, y, "here").unpacked() == b"%d" % number
                except DamagedTile:
                    bad += 1
            assert bad == 1
            with pytest.raises(BadArchive):
                archive.index(0)
    assert not archive.is_as_opened
    archive.close()


def test_archives_of_others_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, {0: b"a"})
    octets = path.read_bytes()
    path.write_bytes(octets.replace(b"PMTiles\x03", b"PMTiles\x02"))
    with pytest.raises(OneMapError, match="no PMTiles archive of version 3"):
        ArchiveFile(path)


def test_what_stands_in_its_place_stays_until_an_archive_is_whole(tmp_path: Path) -> None:
    path = written(tmp_path, {0: b"a"})
    octets = path.read_bytes()
    index = TileIndex(
        np.array([0]), np.array([3], np.uint8), np.array([0]), np.array([9]),
        np.zeros((1, 2), np.uint64),
    )  # fmt: skip
    facts = replace_versions(FACTS)
    with pytest.raises(IndexError):
        write_archive(path, index, [], facts, {}, (0, 0.0, 0.0))
    assert path.read_bytes() == octets


def replace_versions(facts: ArchiveFacts) -> ArchiveFacts:
    return facts.model_copy(update={"tile_versions": {"plot": 4}})


def test_an_index_can_be_narrowed() -> None:
    index = TileIndex(
        np.array([1, 2]), np.array([0, 1], np.uint8), np.array([0, 9]), np.array([9, 0]),
        np.zeros((2, 2), np.uint64),
    )  # fmt: skip
    assert index.where(index.lengths > 0).ids.tolist() == [1]
    assert replace(index).ids.tolist() == [1, 2]
