"""The tile formats found, and the SQL of a vector tile."""

from datetime import UTC, datetime

from sqlalchemy import func

from layers.definition import LayerDefinition
from layers.sql import compile_for_asyncpg
from layers.tile_fields import tile_fields
from tests.api.town import read_catalogue
from tiles.format import TileCut
from tiles.grids import buffered, buffered_degrees, tile_box
from tiles.registry import tile_formats
from tiles.tileset import FULL_DETAIL_ZOOM

LAYERS = read_catalogue().layers


def statement(z: int, *names: str, at: datetime | None = None) -> tuple[str, list[object]]:
    box = tile_box(z, 0, 0)
    layers: tuple[LayerDefinition, ...] = tuple(LAYERS[name] for name in names)
    metres = func.ST_MakeEnvelope(*buffered(box), 3857)
    cut = TileCut(layers, z, box, buffered_degrees(box), metres, at=at)
    return compile_for_asyncpg(tile_formats()["mvt"].statement(cut))


def test_the_formats_found() -> None:
    assert {name: entry.extensions for name, entry in tile_formats().items()} == {
        "mvt": ("mvt", "pbf")
    }


def test_one_statement_makes_all_layers_in_a_fixed_order() -> None:
    sql, values = statement(14, "plot", "lane", "lamp")
    assert sql.count("ST_AsMVT(") == 3
    assert sql.count("ORDER BY tile.feature_id") == 3
    assert [value for value in values if value in LAYERS] == ["plot", "lane", "lamp"]


def test_geometry_is_encoded_once_with_no_condition_on_it() -> None:
    """A condition on the encoded geometry makes the planner compute it twice (1.5 times slower)."""
    for z in (8, 14):
        sql, _ = statement(z, "plot")
        assert sql.count("ST_AsMVTGeom(") == 1
        assert "IS NOT NULL" not in sql
        assert "IS NULL" not in sql


def test_values_are_bound() -> None:
    sql, values = statement(14, "plot", at=datetime(2014, 5, 1, tzinfo=UTC))
    assert "2014" not in sql
    assert datetime(2014, 5, 1, tzinfo=UTC) in values


def test_simplified_and_thinned_only_where_detail_cannot_be_seen() -> None:
    assert "ST_Simplify" in statement(FULL_DETAIL_ZOOM - 1, "plot")[0]
    assert "ST_XMax" in statement(FULL_DETAIL_ZOOM - 1, "lane")[0]
    assert "ST_Simplify" not in statement(FULL_DETAIL_ZOOM, "plot")[0]
    assert "ST_Simplify" not in statement(8, "lamp")[0]


def test_fields_come_from_their_own_zoom_and_the_key_in_full_detail() -> None:
    lane = LAYERS["lane"]
    assert tile_fields(lane, 11) == ()
    assert tile_fields(lane, 12) == ("name", "name_en")
    assert tile_fields(lane, lane.tiles.detail_zoom) == ("number", "name", "name_en")
    assert tile_fields(LAYERS["lamp"], 5) == ("lit", "built", "checked", "kind")
