"""Load parcels the way a careful GeoPandas script would; ``benchmarks/load.py`` runs it as a peer.

    .venv/bin/python benchmarks/load_with_geopandas.py FILE DATABASE_URL

It makes the checks that ``onemap load`` makes of parcels as far as whole columns allow: required
fields, code lists, formulas, ranges, repeated keys, validity with repair, least areas by class,
areas on the ellipsoid, slivers, and the coverage (overlaps and gaps). It writes both geometries in
Hilbert order and builds the same indexes. It keeps no versions, no quarantine and no lineage, and
does not look for neighbours that should be one, or for spikes.
"""

import csv
import sys

import geopandas
import numpy as np
import shapely
from sqlalchemy import create_engine, make_url, text

TABLE = "parcel_by_geopandas"
#: The cylindrical equal-area projection of the CGCS2000 ellipsoid: areas in it are the legal ones.
EQUAL_AREA = "+proj=cea +a=6378137 +rf=298.257222101"
LEAST = {"01": 400, "02": 400, "03": 400, "04": 400, "05": 200, "06": 200, "07": 200, "08": 200}
INDEXES = (
    "ALTER TABLE {table} ADD PRIMARY KEY (feature_id)",
    "CREATE INDEX ON {table} (bsm)",
    "CREATE INDEX ON {table} USING gist (geometry)",
    "ANALYZE {table}",
)


def refuse(broken: np.ndarray, rule: str) -> None:
    """Stop where a row breaks a rule."""
    if broken.any():
        sys.exit(f"{int(broken.sum())} rows break the rule {rule}")


def check(parcels: geopandas.GeoDataFrame, codes: set[str], tenures: set[str]) -> dict[str, int]:
    """Check the rows; return how many break the rules that only warn."""
    for name in ("bsm", "dlbm"):
        refuse(parcels[name].isna().to_numpy(), f"{name} required")
    refuse(~parcels["dlbm"].isin(codes).to_numpy(), "dlbm code")
    refuse(~(parcels["qsxz"].isna() | parcels["qsxz"].isin(tenures)).to_numpy(), "qsxz code")
    refuse(parcels["bsm"].duplicated().to_numpy(), "repeated key")
    refuse((parcels["bsm"].str.len() > 40).to_numpy(), "bsm length")
    for name in ("tbmj", "kcmj", "tbdlmj"):
        refuse((parcels[name] < 0).to_numpy(), f"{name} range")
    net = parcels["tbmj"] - parcels["kcmj"].fillna(0) - parcels["tbdlmj"]
    refuse((net.abs() > 0.011).to_numpy(), "net area")
    area = parcels.geometry.to_crs(EQUAL_AREA).area
    least = parcels["dlbm"].str[:2].map(LEAST).fillna(600)
    around = parcels.to_crs(4547).geometry
    with np.errstate(divide="ignore", invalid="ignore"):
        compact = 4 * np.pi * around.area / around.length**2
    return {
        "least area": int((area < least).sum()),
        "area": int(((area - parcels["tbmj"]).abs() > 1 + 0.0005 * area).sum()),
        "sliver": int((compact < 0.005).sum()),
        "overlap or gap": int(
            (~shapely.is_empty(shapely.coverage_invalid_edges(around.to_numpy()))).sum()
        ),
    }


def code_list(name: str) -> set[str]:
    """Return the codes of a scheme that ships with One Map."""
    with open(f"layers/codes/{name}.csv", encoding="utf-8", newline="") as stream:
        return {row["code"] for row in csv.DictReader(stream)}


def main() -> None:
    """Load the file."""
    file, url = sys.argv[1:3]
    parcels = geopandas.read_file(file, engine="pyogrio", use_arrow=True)
    invalid = ~parcels.geometry.is_valid
    if invalid.any():
        parcels.loc[invalid, "geometry"] = parcels.geometry[invalid].make_valid()
    print(check(parcels, code_list("land_use"), code_list("tenure")))
    parcels = parcels.to_crs(4490)
    parcels = parcels.iloc[parcels.geometry.hilbert_distance().argsort()]
    parcels.insert(0, "feature_id", np.arange(1, len(parcels) + 1))
    parcels["tile_geom"] = parcels.geometry.to_crs(3857)
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"))
    with engine.begin() as connection:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS postgis"))
        frame = parcels.assign(tile_geom=shapely.to_wkb(parcels["tile_geom"], hex=True))
        frame.to_postgis(TABLE, connection, if_exists="replace", index=False, chunksize=50_000)
        connection.execute(
            text(
                f"ALTER TABLE {TABLE} ALTER tile_geom TYPE geometry(Geometry, 3857)"
                " USING ST_SetSRID(tile_geom::geometry, 3857)"
            )
        )
        for statement in INDEXES:
            connection.execute(text(statement.format(table=TABLE)))


if __name__ == "__main__":
    main()
