"""What the service says of itself."""

TITLE = "城市一张图 / One Map"
DESCRIPTION = (
    "城市一张图：土地、矿产、地质灾害、管廊、建筑与遥感图层，从历史到现在。\n"
    "One city, one map: land, mineral, geological-hazard, pipeline, building and imagery layers, "
    "from history to the present."
)
