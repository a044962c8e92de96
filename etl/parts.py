"""Several files of one structure, such as one a county, read as one survey."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from etl.reader import Reader, Source, SourceBatch, SourceInfo, SourceOptions
from layers.errors import LoadRefused


@dataclass(frozen=True)
class Part:
    """One data set of a folder or archive."""

    path: Path
    #: Its path inside the folder.
    name: str
    reader: Reader


@dataclass(frozen=True)
class PartedSource:
    """Several data sets as one source; each is opened when its turn comes."""

    parts: tuple[Part, ...]
    options: SourceOptions
    info: SourceInfo

    @classmethod
    @contextmanager
    def open(
        cls, parts: list[Part], named: Path, options: SourceOptions
    ) -> Iterator["PartedSource"]:
        """Open several data sets as one.

        Args:
            parts: Which.
            named: The folder or archive, as people know it.
            options: What is known about all of them.

        Raises:
            LoadRefused: If their formats, columns or reference systems differ: then they are not
                one survey, and one must be chosen.
        """
        infos: list[SourceInfo] = []
        for part in parts:
            if part.reader is not parts[0].reader:
                raise LoadRefused(_not_one(named, parts, "formats"))
            with part.reader.open(part.path, options) as source:
                infos.append(source.info)
        if len({_structure(info) for info in infos}) > 1:
            raise LoadRefused(_not_one(named, parts, "columns"))
        if options.crs is None and len({info.crs for info in infos}) > 1:
            raise LoadRefused(_not_one(named, parts, "reference systems"))
        yield cls(tuple(parts), options, _joined(parts, infos, named))

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        before = 0
        for part in self.parts:
            count = 0
            with part.reader.open(part.path, self.options) as source:
                for batch in source.batches():
                    count = batch.first_row - 1 + batch.attributes.num_rows
                    yield replace(
                        batch,
                        first_row=before + batch.first_row,
                        attributes=self._ordered(batch.attributes, source),
                        part=part.name,
                    )
            before += count

    def _ordered(self, table: pa.Table, source: Source) -> pa.Table:
        """Bring the columns into the order and the names of the first file."""
        names = table.schema.names
        if tuple(names) == self.info.columns:
            return table
        folded = [name.casefold() for name in names]
        chosen = [table.column(folded.index(name.casefold())) for name in self.info.columns]
        return pa.table(chosen, names=list(self.info.columns))


def _structure(info: SourceInfo) -> tuple[str, ...]:
    folded = tuple(name.casefold() for name in info.columns)
    # Repeated names are told apart by nothing but their order.
    return folded if len(set(folded)) < len(folded) else tuple(sorted(folded))


def _joined(parts: list[Part], infos: list[SourceInfo], named: Path) -> SourceInfo:
    counts = [info.features for info in infos]
    known = [count for count in counts if count is not None]
    encodings = sorted({info.encoding for info in infos if info.encoding})
    notes = dict.fromkeys(note for info in infos for note in info.notes)
    return replace(
        infos[0],
        layer=named.stem,
        encoding=", ".join(encodings) or None,
        features=sum(known) if len(known) == len(counts) else None,
        notes=(f"{len(parts)} files were read as one survey", *notes),
        parts=tuple(part.name for part in parts),
    )


def _not_one(named: Path, parts: list[Part], what: str) -> str:
    names = ", ".join(part.path.stem for part in parts)
    return f"{named}: holds several data sets ({names}) whose {what} differ: say --source-layer"
