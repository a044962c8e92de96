"""Which tiles a survey changes at once, found beside the statements that apply it.

A survey's row takes the place of the row that was held at the survey's date, from that date on to
where the held row ends (``layers.versioning``). So what tiles show differs exactly where the two
rows differ in what tiles show of them: their geometry and some fields.
"""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    func,
    or_,
    select,
)

from layers.definition import LayerDefinition
from layers.detail_tiles import MOST_FEATURES, detail_zooms, shown_fields, tiles_of
from layers.row_places import place_of
from layers.tables import city_table
from layers.tile_changes import Tiles
from layers.versioning import Survey, difference_table, stage_table

#: Columns of a change before what says in which zooms it shows.
_FLAGS = 2


class SurveyTiles:
    """The tiles that a survey changes, on their way."""

    def __init__(self, found: Future[dict[int, Tiles]]) -> None:
        self._found = found

    @classmethod
    def begin(cls, connection: Connection, survey: Survey, features: int) -> "SurveyTiles":
        """Look at what is going to change, and go on beside the caller.

        Args:
            connection: The load's transaction, the difference found and nothing changed yet.
            survey: The survey.
            features: How many features it changes.
        """
        layer = survey.layer
        found: Future[dict[int, Tiles]] = Future()
        zooms = detail_zooms(connection, layer)
        if features > MOST_FEATURES:
            found.set_result(dict.fromkeys(zooms))
            return cls(found)
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for zoom in zooms:
            groups[shown_fields(layer, zoom)].append(zoom)
        changes = connection.execute(_changes(survey, list(groups))).all()
        beside = ThreadPoolExecutor(1, thread_name_prefix="survey-tiles")
        found = beside.submit(_tiles, layer, changes, list(groups.values()))
        beside.shutdown(wait=False)
        return cls(found)

    def result(self) -> dict[int, Tiles]:
        """Return coded tiles by zoom, of the zooms that are cut from the layer itself."""
        return self._found.result()


def _tiles(
    layer: LayerDefinition, changes: Sequence[Row[Any]], groups: Sequence[Sequence[int]]
) -> dict[int, Tiles]:
    # Zooms in which the same changes show are looked at together.
    alike: dict[bytes, tuple[set[bytes], list[int]]] = {}
    for place, zooms in enumerate(groups):
        shown = bytes(bool(change[_FLAGS + place]) for change in changes)
        if shown not in alike:
            seen = (change for change, shows in zip(changes, shown, strict=True) if shows)
            shapes = {bytes(wkb) for change in seen for wkb in change[:_FLAGS] if wkb is not None}
            alike[shown] = (shapes, [])
        alike[shown][1].extend(zooms)
    found: dict[int, Tiles] = {}
    for shapes, zooms in alike.values():
        found |= tiles_of(layer, shapes, zooms)
    return found


def _changes(survey: Survey, groups: Sequence[Sequence[str]]) -> Select[Any]:
    """Return the statement for what differs in any tile.

    Returns:
        The shapes before and after (WKB, EPSG:3857; null where there is none), and whether the
        two rows differ in what is shown of them, for each group of fields.
    """
    difference, stage = difference_table(), stage_table(survey.layer)
    held = city_table(survey.layer).alias("held")
    before, after = func.ST_AsBinary(held.c.tile_geom), func.ST_AsBinary(stage.c.tile_geom)
    comes_or_goes = or_(~difference.c.held, difference.c.source_row.is_(None))
    moved = before.is_distinct_from(after)
    flags: list[ColumnElement[bool]] = []
    for place, names in enumerate(groups):
        other = (held.c[name].is_distinct_from(stage.c[name]) for name in names)
        flags.append(or_(comes_or_goes, moved, *other).label(f"shows_{place}"))
    found = (
        select(before.label("before"), after.label("after"), *flags)
        .select_from(difference)
        .outerjoin(stage, stage.c.source_row == difference.c.source_row)
        .outerjoin(held, place_of(held) == difference.c.held_place)
        .subquery("found")
    )
    return select(found).where(or_(*(found.c[flag.name] for flag in flags)))
