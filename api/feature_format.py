"""What a feature format is: a plug-in of ``api/formats`` that writes features as bytes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from api.links import Link
from api.negotiation import Representation
from layers.definition import LayerDefinition
from layers.feature_counts import FeatureCount
from layers.feature_query import FeatureQuery
from layers.feature_rows import FeatureRow, FeatureRows
from layers.feature_texts import FeatureTexts
from layers.reading import Lineage


@dataclass(frozen=True, slots=True)
class FeaturePageDocument:
    """A page of features, ready to be written."""

    layer: LayerDefinition
    #: In columns, or written already where the format takes that (``takes_texts``).
    features: FeatureRows | FeatureTexts
    #: How many match in all, where that is known or estimated.
    matched: FeatureCount | None
    stamp: datetime
    links: list[Link]
    #: Address of the service's landing page.
    home: str
    #: What was asked for, as it came.
    query: FeatureQuery
    parameters: dict[str, str]

    def rows(self) -> FeatureRows:
        """Return the features of a document for a format that takes no texts."""
        if isinstance(self.features, FeatureTexts):
            raise TypeError("a format that takes no texts was given some")
        return self.features


@dataclass(frozen=True, slots=True)
class FeatureDocument:
    """One feature, ready to be written."""

    layer: LayerDefinition
    feature: FeatureRow
    lineage: Lineage
    links: list[Link]
    home: str


class FeatureFormat(Protocol):
    """A format that features are written in."""

    #: Short name; the formats stand in the order of ``rank``, the lowest is the usual one.
    name: str
    rank: int
    representation: Representation
    #: Whether it takes pages of features that the database wrote as GeoJSON.
    takes_texts: bool

    def page(self, document: FeaturePageDocument) -> bytes:
        """Write a page of features."""
        ...

    def feature(self, document: FeatureDocument) -> bytes:
        """Write one feature."""
        ...
