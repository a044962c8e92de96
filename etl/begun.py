"""A source of which the first rows were read already."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from etl.reader import Source, SourceBatch, SourceInfo


@dataclass(frozen=True)
class BegunSource:
    """An open source, and its batches from the first one on."""

    source: Source
    rest: Iterator[SourceBatch]

    @property
    def info(self) -> SourceInfo:
        """What is known of the source."""
        return self.source.info

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        return self.rest


def begun(source: Source) -> BegunSource:
    """Read the first batch of a source, and keep it.

    Raises:
        LoadRefused: If that cannot be done.
    """
    batches = source.batches()
    first = list(islice(batches, 1))
    return BegunSource(source, chain(first, batches))
