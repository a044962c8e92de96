"""The committed sample: every layer at three survey epochs, written as deliveries."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from city import pipes, tables_built, tables_city, tables_land, tables_themes
from city.delivery import deliver
from city.frame import CENTRE
from city.land import make_design, survey
from city.streets import make_plan
from city.table import EPOCHS, Table, keep_unchanged

_HEAD = """\
# The sample city, in the order in which `onemap demo` loads it. Written by generate.py.
# `full: true`: the file is a whole survey of its layer, so that what it lacks has ended.
"""


def tables(seed: int) -> Iterator[tuple[Table, int, bool]]:
    """Yield every table of the sample, its epoch and whether it is a full survey."""
    plan = make_plan(seed)
    design = make_design(plan, seed)
    surveys = [survey(design, epoch) for epoch in range(len(EPOCHS))]
    nodes, lines = pipes.lay([s for s in plan.streets if s.year <= 2], CENTRE)
    points = tables_themes.hazards()
    once = [
        tables_city.admin_table(), tables_city.water_table(design),
        tables_city.contour_table(design), tables_city.place_table(design),
        *tables_land.control_tables(design, surveys[0]), *tables_themes.mineral_tables(),
        *tables_themes.hazard_tables(points), tables_built.grid_table(design),
        tables_built.component_table(plan), *tables_themes.tourism_tables(),
    ]  # fmt: skip
    for item in once:
        yield item, 0, False
    land: Table | None = None
    for epoch in range(len(EPOCHS)):
        parcels = surveys[epoch]
        buildings = tables_built.buildings_of(plan, parcels, epoch)
        fresh = tables_land.parcel_table(parcels, epoch)
        land = fresh if land is None else keep_unchanged(fresh, land, "BSM", "SJNF")
        yield land, epoch, True
        yield tables_city.road_table(plan, design, epoch), epoch, True
        yield tables_built.building_table(buildings), epoch, True
        laid = [node for node in nodes if node.year <= epoch]
        yield tables_built.node_table(laid), epoch, True
        yield tables_built.pipe_table([p for p in lines if p.year <= epoch]), epoch, True
        yield tables_themes.hazard_table(points, epoch), epoch, True
        yield tables_themes.poi_table(parcels), epoch, True
        yield tables_themes.scene_table(epoch), epoch, False
        if epoch:
            yield tables_themes.change_table(design, surveys, epoch), epoch, False
        if epoch == 1:
            yield tables_built.corridor_table(plan), epoch, False
            yield tables_themes.warning_table(), epoch, False
        if epoch == len(EPOCHS) - 1:
            for item in tables_built.floor_tables(buildings):
                yield item, epoch, False
            for item in tables_land.approval_tables(design, surveys):
                yield item, epoch, False


def write_sample(folder: Path, seed: int) -> list[Path]:
    """Write the sample's files and its manifest into a folder; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:  # a run that fails leaves the old sample whole
        entries = [
            deliver(item, EPOCHS[epoch], Path(work), full) for item, epoch, full in tables(seed)
        ]
        for entry in entries:
            shutil.copyfile(Path(work) / str(entry["file"]), folder / str(entry["file"]))
    entries.sort(key=lambda entry: str(entry["valid_from"]))
    manifest = folder / "manifest.yaml"
    text = yaml.safe_dump({"loads": entries}, allow_unicode=True, sort_keys=False, width=100)
    manifest.write_text(_HEAD + text, encoding="utf-8")
    return [folder / str(entry["file"]) for entry in entries] + [manifest]
