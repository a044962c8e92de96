"""Surveys that lie elsewhere than they say: reference systems and axes."""

import json
import math
import warnings
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely

from tests.etl.bad_files.case import BadFile, Maker, content, survey


def _written(rows: geopandas.GeoDataFrame) -> Maker:
    def make(folder: Path) -> Path:
        rows.to_file(folder / "parcels.gpkg")
        return folder / "parcels.gpkg"

    return make


def _in(epsg: int, said: int | str | None) -> Maker:
    """A survey that is in one system and says another."""
    return _written(survey().to_crs(epsg).set_crs(said, allow_override=True))


def _swapped() -> geopandas.GeoDataFrame:
    rows = survey()
    turned = shapely.transform(rows.geometry.to_numpy(), lambda xy: xy[:, ::-1])
    return rows.set_geometry(geopandas.GeoSeries(turned, crs=4490))


def _without_crs(folder: Path) -> Path:
    rows = survey().set_crs(None, allow_override=True)
    with warnings.catch_warnings():
        # pyogrio warns of just what is wanted here.
        warnings.simplefilter("ignore")
        rows.to_file(folder / "parcels.fgb", driver="FlatGeobuf")
    return folder / "parcels.fgb"


def _with_coordinate(*values: float) -> geopandas.GeoDataFrame:
    """A good survey in which some plots have a vertex with that coordinate."""
    rows = survey(6)
    shapes = rows.geometry.to_numpy().copy()
    for place, value in enumerate(values):
        spoilt = shapely.get_coordinates(shapes[place])
        spoilt[1, 0] = value
        with np.errstate(invalid="ignore"):
            shapes[place] = shapely.set_coordinates(shapes[place], spoilt)
    return rows.set_geometry(geopandas.GeoSeries(shapes, crs=4490))


def _one_far_away() -> geopandas.GeoDataFrame:
    rows = survey(6)
    shapes = rows.geometry.to_numpy().copy()
    shapes[2] = shapely.box(-74, 40, -73.9, 40.1)
    return rows.set_geometry(geopandas.GeoSeries(shapes, crs=4490))


def _points(header: str, *rows: str) -> Maker:
    return content("p.csv", "\n".join([header, *rows]) + "\n")


def _engineering() -> str:
    return (
        'LOCAL_CS["mine grid",LOCAL_DATUM["site",0],UNIT["metre",1],AXIS["E",EAST],AXIS["N",NORTH]]'
    )


_XY = "BSM,X,Y"
_METRES = ("a,3302420.193,530925.1", "b,3302421,530926")
_PREFIXED = ("a,3302420.193,38530925.1", "b,3302421,38530926")


def _point(**options: Any) -> dict[str, Any]:
    return {"layer": "spring", "options": options}


PLACES = (
    BadFile("no reference system", _without_crs, "give it with --crs"),
    BadFile("reference system of a mine",
            _written(survey().set_crs(_engineering(), allow_override=True)),
            "(neither geographic nor projected|is not a reference system|give it with --crs)"),
    BadFile("Xi'an 1980", _in(4547, 2383), "Xi'an 1980"),
    BadFile("Beijing 1954", _in(4547, 2435), "Beijing 1954"),
    BadFile("said to be Xi'an 1980", _in(4547, 4547), "Xi'an 1980", options={"crs": "EPSG:2383"}),
    BadFile("said to be in no system", _in(4547, 4547), "is not a reference system",
            options={"crs": "EPSG:99999"}),
    BadFile("metres that say they are degrees", _in(4547, 4490), "they are not degrees"),
    BadFile("degrees that say they are metres", _in(4490, 4547), "they look like degrees"),
    BadFile("axes swapped, degrees", _written(_swapped()), "the two axes look swapped"),
    BadFile("axes swapped, metres", _points("BSM,E,N", *_METRES), "the two axes look swapped",
            **_point(crs="EPSG:4547")),
    BadFile("zone number missing", _points(_XY, *_METRES), "wants the zone number in front",
            **_point(crs="EPSG:4526")),
    BadFile("zone number too much", _points(_XY, *_PREFIXED), "try --crs EPSG:4526",
            **_point(crs="EPSG:4547")),
    BadFile("zone number, degrees said", _points("BSM,lon,lat", "a,38530925.1,3302420.193"),
            r"the easting begins with 38: EPSG:4526\?", **_point(crs="EPSG:4490")),
    BadFile("on the other side of the Earth", _written(_one_far_away()),
            rules={"geometry_outside": 1}, good=5),
    BadFile("degrees packed wrongly", _points("BSM,lon,lat", "a,1141912.5,295024",
            "b,1147512,295024", "c,1141960,295024"), good=1,
            rules={"position": 2, "geometry_missing": 2}, **_point(crs="EPSG:4490")),
    BadFile("coordinates that are no numbers", _written(_with_coordinate(math.nan, math.inf)),
            rules={"geometry_coordinates": 2}, good=4),
    BadFile("coordinates beyond the Earth", _written(_with_coordinate(1e300, 181.0, -1e20)),
            "do not fit the CRS|rows are bad", options={"max_bad": 0.05}),
    BadFile("ellipsoidal heights for a layer of 1985 heights",
            content("p.geojson", json.dumps({"type": "FeatureCollection", "features": [],
                    "crs": {"type": "name", "properties": {"name": "EPSG:4480"}}})),
            "(its heights are ellipsoidal|has no geometry|no column is known)", layer="well"),
)  # fmt: skip
