"""OpenStreetMap extracts (PBF, XML) through GDAL: nodes, ways and relations as layers."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio

from etl.ogr_source import Dataset, OgrSource, open_layer
from etl.osm_pbf import check_whole
from etl.reader import Reader, Source, SourceBatch, SourceInfo, SourceOptions
from etl.xml_heads import check_file
from layers.errors import LoadRefused

#: Tags that become columns: the most frequent ones.
_MOST_TAGS = 300
_TAGS, _ID, _WAY_ID = "other_tags", "osm_id", "osm_way_id"
#: What the numbers of each layer count.
_ELEMENTS = {"points": "node", "lines": "way"}
#: GDAL keeps more than this of its table of nodes in a file, not in memory (megabytes).
_NODE_MEMORY = "100"


@dataclass(frozen=True)
class OsmSource:
    """A layer of an extract with its tags as columns."""

    source: OgrSource
    info: SourceInfo
    tags: tuple[str, ...]
    #: The tag that an element must have, and its value if that matters.
    wanted: tuple[str, str | None] | None

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        first_row = 1
        for batch in self.source.batches():
            table, wkb = self._expanded(batch.attributes), batch.wkb
            if self.wanted is not None:
                chosen = _having(table, *self.wanted)
                table, wkb = table.filter(chosen), wkb.filter(chosen)
            if table.num_rows:
                yield SourceBatch(first_row, table, wkb)
                first_row += table.num_rows

    def _expanded(self, table: pa.Table) -> pa.Table:
        if _TAGS not in table.schema.names:
            return table
        rows = [orjson.loads(text) if text else {} for text in table[_TAGS].to_pylist()]
        for tag in self.tags:
            values = pa.array([row.get(tag) for row in rows], pa.string())
            table = table.append_column(tag, values)
        return _identified(table, self.source.info.layer)


@dataclass(frozen=True)
class OsmReader(Reader):
    """Reads one layer: ``points``, ``lines``, ``multilinestrings``, ``multipolygons``.

    A tag behind a colon chooses among its elements: ``multipolygons:building``,
    ``lines:highway=primary``.
    ``osm_id`` is written as OpenStreetMap's addresses do (``way/123``), since nodes, ways and
    relations count on their own; the tags that GDAL leaves in ``other_tags`` are columns, too.
    """

    name: str = "OpenStreetMap"
    suffixes: frozenset[str] = frozenset({".pbf", ".osm"})

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open an extract; see :class:`etl.reader.Reader`."""
        if path.suffix.lower() == ".pbf":
            check_whole(path)
        elif check_file(path).name != "osm":
            raise LoadRefused(f"{path}: is no OSM XML: its root element is another")
        dataset = Dataset(path, self.name, ("OSM",))
        settings = {"TAGS_FORMAT": "JSON", "MAX_TMPFILE_SIZE": _NODE_MEMORY}
        layer, wanted = _chosen(options.layer)
        with open_layer(dataset, replace(options, layer=layer), **settings) as source:
            tags = _tags(path, source.info.layer) if _TAGS in source.info.columns else ()
            tags = tuple(tag for tag in tags if tag not in source.info.columns)
            if wanted is not None and wanted[0] not in (*source.info.columns, *tags):
                raise LoadRefused(f"{path}: nothing in '{layer}' has the tag '{wanted[0]}'")
            notes = (*source.info.notes, "data of OpenStreetMap contributors, ODbL 1.0")
            info = replace(
                source.info,
                layer=options.layer or source.info.layer,
                columns=(*source.info.columns, *tags),
                features=source.info.features if wanted is None else None,
                notes=notes,
            )
            yield OsmSource(source, info, tags, wanted)


def _chosen(said: str | None) -> tuple[str | None, tuple[str, str | None] | None]:
    """Split ``layer:tag=value`` into the layer and what its elements must have."""
    if said is None or ":" not in said:
        return said, None
    layer, _, condition = said.partition(":")
    tag, equals, value = condition.partition("=")
    return layer, (tag, value if equals else None)


def _having(table: pa.Table, tag: str, value: str | None) -> pa.ChunkedArray:
    values = table[tag].cast(pa.string())
    return pc.is_valid(values) if value is None else pc.fill_null(pc.equal(values, value), False)


def _tags(path: Path, layer: str) -> tuple[str, ...]:
    """Return the most frequent tags that have no column, in the order of the alphabet."""
    counted: Counter[str] = Counter()
    opened = pyogrio.open_arrow(
        path,
        layer=layer,
        columns=[_TAGS],
        read_geometry=False,
        use_pyarrow=True,
        TAGS_FORMAT="JSON",
        MAX_TMPFILE_SIZE=_NODE_MEMORY,
    )
    with opened as (_, stream):
        for batch in stream:
            for text in batch.column(batch.schema.names.index(_TAGS)).to_pylist():
                if text:
                    counted.update(orjson.loads(text).keys())
    return tuple(sorted(tag for tag, _ in counted.most_common(_MOST_TAGS)))


def _identified(table: pa.Table, layer: str) -> pa.Table:
    """Write numbers as ``way/123``; areas are relations, or ways where those have none."""
    names = table.schema.names
    element = _ELEMENTS.get(layer, "relation")
    numbers = _prefixed(element, table[_ID])
    if _WAY_ID in names:
        numbers = pc.coalesce(numbers, _prefixed("way", table[_WAY_ID]))
    return table.set_column(names.index(_ID), _ID, numbers)


def _prefixed(element: str, numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(element, numbers, "/")


READER: Reader = OsmReader()
