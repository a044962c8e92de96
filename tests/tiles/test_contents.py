"""Counting what is in a tile agrees with another decoder."""

from collections import Counter

import mapbox_vector_tile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiles.contents import cut_layers, tile_contents
from tiles.meta_layer import meta_layer

VALUES = st.one_of(
    st.text(max_size=8),
    st.booleans(),
    st.integers(-(2**40), 2**62),
    st.floats(allow_nan=False, allow_infinity=False),
)
POINTS = st.tuples(st.integers(0, 4096), st.integers(0, 4096))
SHAPES = st.one_of(
    POINTS.map(lambda p: f"POINT({p[0]} {p[1]})"),
    st.lists(POINTS, min_size=2, max_size=6, unique=True).map(
        lambda ps: "LINESTRING(" + ",".join(f"{x} {y}" for x, y in ps) + ")"
    ),
)
FEATURES = st.lists(
    st.fixed_dictionaries(
        {
            "geometry": SHAPES,
            "id": st.integers(1, 2**52),
            "properties": st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3),
        }
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["plot", "路"]), FEATURES, max_size=2))
def test_the_counts_are_those_of_another_decoder(
    layers: dict[str, list[dict[str, object]]],
) -> None:
    tile = mapbox_vector_tile.encode(
        [{"name": name, "features": features} for name, features in layers.items()]
    )
    wanted = mapbox_vector_tile.decode(tile)
    found = {layer.name: layer for layer in tile_contents(tile)}
    assert set(found) == set(wanted)
    for name, layer in wanted.items():
        features = layer["features"]
        held = found[name]
        ids = [feature["id"] for feature in features]
        assert (held.features, held.least_id, held.greatest_id) == (
            len(features),
            min(ids),
            max(ids),
        )
        assert held.vertices == sum(_vertices(feature["geometry"]) for feature in features)
        counts: dict[str, Counter[object]] = {}
        for feature in features:
            for key, value in feature["properties"].items():
                counts.setdefault(key, Counter())[value] += 1
        assert held.attributes == counts


def _vertices(geometry: dict[str, object]) -> int:
    coordinates = geometry["coordinates"]
    assert isinstance(coordinates, list)
    return 1 if geometry["type"] == "Point" else len(coordinates)


def test_what_was_left_out_is_read() -> None:
    assert cut_layers(meta_layer({"plot": (5, 12), "lamp": (1, 300)})) == {"plot": 12, "lamp": 300}
    assert tile_contents(meta_layer({"plot": (5, 12)})) == []
    assert cut_layers(b"") == {}


@pytest.mark.parametrize("junk", [b"<html>", b"\x1a\x7f", b"\x1a\xff\xff\xff\xff\x0f"])
def test_other_bytes_are_refused(junk: bytes) -> None:
    with pytest.raises(ValueError, match=r"message|wire"):
        tile_contents(junk)
