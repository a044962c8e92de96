"""What a survey would make of the map: its staged rows beside the rows it leaves as they are.

Checks of a whole survey read through this view, within the load's transaction, before anything is
applied. Reads of layers go through ``layers.queries`` like all others, with full access: what a
check finds is told to the operator who loads, nobody else.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    func,
    literal,
    null,
    select,
    union_all,
)

from layers.access import AccessClass
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.load_session import LoadSession
from layers.queries import held_rows, layer_rows


class SurveyView:
    """The staged survey of one load and the map at the survey's date."""

    def __init__(
        self,
        session: LoadSession,
        layer: LayerDefinition,
        catalogue: Catalogue,
        valid_from: datetime,
        *,
        full: bool,
    ) -> None:
        self.layer = layer
        self.catalogue = catalogue
        #: From when on the survey says how things are.
        self.valid_from = valid_from
        #: The survey covers the whole layer: no row of the layer stays that it does not have.
        self.full = full
        #: Things that several checks of the load share.
        self.shared: dict[object, Any] = {}
        self._session = session
        self._empty: dict[str, bool] = {}

    def fetch(self, statement: Select[Any]) -> Sequence[Any]:
        """Run a query within the load's transaction."""
        return self._session.fetch(statement)

    def stream(self, statement: Select[Any], rows: int) -> Iterator[Sequence[Any]]:
        """Run a query as ``fetch`` does, but take its rows a few at a time."""
        return self._session.stream(statement, rows)

    @property
    def stage(self) -> FromClause:
        """The survey's good rows: ``source_row``, the fields, ``geom`` and ``tile_geom``."""
        return self._session.surveyed

    def index_stage(self) -> None:
        """Give the stage an index of boxes, for joins by place; done once."""
        self._session.index_surveyed()

    def held(self, name: str) -> Subquery:
        """Return the rows of a layer that hold at the survey's date, before the load."""
        layer = self.layer if name == self.layer.name else self.catalogue.layer(name)
        access = AccessClass(layer.name, layer.field_names, None)
        return layer_rows(layer, access, at=self.valid_from)

    def held_by_key(self) -> Subquery:
        """Return the rows of ``held`` of the survey's own layer, for joins by business key."""
        access = AccessClass(self.layer.name, self.layer.field_names, None)
        return held_rows(self.layer, access, self.valid_from)

    def held_within(self, name: str, box: ColumnElement[Any]) -> Any:
        """Return the rows of ``held`` whose box meets ``box``, as a lateral subquery.

        Args:
            name: The layer.
            box: A geometry of columns that stand before it in the FROM clause, written as literal
                columns; so each of them asks the index of boxes.
        """
        layer = self.layer if name == self.layer.name else self.catalogue.layer(name)
        access = AccessClass(layer.name, layer.field_names, None)
        return select(layer_rows(layer, access, at=self.valid_from, bbox=box)).lateral("held")

    def is_empty(self, name: str) -> bool:
        """Tell whether a layer holds nothing at the survey's date, before the load."""
        if name not in self._empty:
            layer = self.layer if name == self.layer.name else self.catalogue.layer(name)
            access = AccessClass(layer.name, (), None)
            held = layer_rows(layer, access, at=self.valid_from)
            found = self.fetch(select(literal(1)).select_from(held).limit(1))
            self._empty[name] = not found
        return self._empty[name]

    def remaining(self) -> Select[Any]:
        """Return the layer's rows that the survey leaves as they are."""
        held = self.held(self.layer.name)
        statement = select(held)
        if self.full:
            return statement.where(literal(False))
        return statement.where(~self.is_staged(held))

    def is_staged(self, rows: Any) -> ColumnElement[bool]:
        """Return whether the survey has a row with the key of a row of ``rows``."""
        same = and_(*(self.stage.c[key] == rows.c[key] for key in self.layer.key))
        return select(literal(1)).select_from(self.stage).where(same).correlate(rows).exists()

    def state(self, name: str, fields: Sequence[str]) -> Subquery:
        """Return a layer as it would be after the load.

        Args:
            name: The layer.
            fields: The fields wanted.

        Returns:
            ``source_row`` (null for rows that do not come from the survey), the fields, ``geom``.
        """
        nobody = null().cast(BigInteger).label("source_row")
        if name != self.layer.name:
            held = self.held(name)
            columns = [held.c[field] for field in fields]
            return select(nobody, *columns, held.c.geom).subquery(f"{name}_state")
        surveyed = select(
            self.stage.c.source_row, *(self.stage.c[field] for field in fields), self.stage.c.geom
        )
        if self.full or self.is_empty(name):
            return surveyed.subquery(f"{name}_state")
        rest = self.remaining().subquery("rest")
        kept = select(nobody, *(rest.c[field] for field in fields), rest.c.geom)
        return union_all(surveyed, kept).subquery(f"{name}_state")

    def staged_count(self) -> int:
        """Return how many rows are staged."""
        return int(self.fetch(select(func.count()).select_from(self.stage))[0][0])
