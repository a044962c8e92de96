from tiles.generaliser_registry import tile_generalisers


def test_the_methods_are_those_of_the_folder() -> None:
    assert list(tile_generalisers()) == [
        "cluster",
        "dissolve",
        "merge",
        "mosaic",
        "simplify",
        "thin",
    ]
