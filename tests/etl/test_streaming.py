"""Reading is by batches: ten times the file needs no more memory; and surveys of several files."""

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from sqlalchemy import text

from tests.database import connected
from tests.etl.conftest import Loader, plots

#: Prints how many bytes the most memory held grows while a file is read.
_READ = """
import resource, sys
import pyarrow
# Arrow's usual allocator keeps what it was given back for a while.
pyarrow.set_memory_pool(pyarrow.system_memory_pool())
from pathlib import Path
from etl.formats import open_source
from etl.reader import SourceOptions
from gis.crs import resolve
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
options = SourceOptions(batch_rows=2000, crs=resolve("EPSG:4490"))
with open_source(Path(sys.argv[1]), options, 1 << 30) as source:
    batches = source.batches()
    next(batches)
    before, rows = peak(), 2000
    for batch in batches:
        rows += batch.attributes.num_rows
    assert rows == int(sys.argv[2]), rows
print(peak() - before)
"""
ROWS = 150_000
#: Bytes of text in a row: some thirty megabytes a file in all.
_TEXT = "咸宁" * 30


def as_csv(path: Path) -> Path:
    path = path / "p.csv"
    with path.open("w", encoding="utf-8") as stream:
        stream.write("BSM,lon,lat,note\n")
        stream.writelines(f"P{n},114.3,29.8,{_TEXT}{n}\n" for n in range(ROWS))
    return path


def as_sequence(path: Path) -> Path:
    path = path / "p.ndjson"
    geometry = '{"type":"Point","coordinates":[114.3,29.8]}'
    with path.open("w", encoding="utf-8") as stream:
        for number in range(ROWS):
            properties = f'{{"BSM":"P{number}","note":"{_TEXT}{number}"}}'
            stream.write(f'{{"type":"Feature","properties":{properties},"geometry":{geometry}}}\n')
    return path


def as_kml(path: Path) -> Path:
    path = path / "p.kml"
    with path.open("w", encoding="utf-8") as stream:
        stream.write('<kml xmlns="http://www.opengis.net/kml/2.2"><Document>')
        stream.writelines(
            f"<Placemark><name>P{number}</name><description>{_TEXT}{number}</description>"
            "<Point><coordinates>114.3,29.8</coordinates></Point></Placemark>\n"
            for number in range(ROWS)
        )
        stream.write("</Document></kml>")
    return path


def as_parquet(path: Path) -> Path:
    path = path / "p.parquet"
    point = shapely.to_wkb(shapely.Point(114.3, 29.8))
    about = '{"version":"1.0.0","primary_column":"g","columns":{"g":{"encoding":"WKB"}}}'
    schema = pa.schema(
        [("BSM", pa.string()), ("note", pa.string()), ("g", pa.binary())], {"geo": about}
    )
    with pq.ParquetWriter(path, schema, use_dictionary=False, compression="none") as writer:
        for start in range(0, ROWS, 5000):
            names = [f"P{number}" for number in range(start, start + 5000)]
            notes = [_TEXT + name for name in names]
            writer.write_table(pa.table([names, notes, [point] * 5000], schema=schema))
    return path


@pytest.mark.parametrize("make", [as_csv, as_sequence, as_kml, as_parquet])
def test_memory_does_not_grow_with_the_file(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(path), str(ROWS)],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert path.stat().st_size > 25 << 20
    # The first batches fill buffers; the file as a whole would need far more than this.
    assert int(done.stdout) < 24 << 20


def test_a_zip_of_one_shapefile_a_county_is_one_survey(
    tmp_path: Path, load_file: Loader, small_database: str
) -> None:
    archive = tmp_path / "survey.zip"
    counties = {"咸安区": (0, 3, ["a", None, "c"]), "嘉鱼县": (3, 5, ["d", "e"])}
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, (first, end, keys) in counties.items():
            rows = plots(6).iloc[first:end].assign(BSM=keys)
            rows.to_file(tmp_path / f"{name}.shp", encoding="gb18030")
            for part in sorted(tmp_path.glob(f"{name}.*")):
                zipped.write(part, f"{name}/{part.name}")
    report = load_file(archive, max_bad=0.5)
    assert (report.rows, report.good, report.bad) == (5, 4, 1)
    assert report.parts == [
        {"part": "咸安区/咸安区.shp", "first": 1, "last": 3},
        {"part": "嘉鱼县/嘉鱼县.shp", "first": 4, "last": 5},
    ]
    with connected(small_database) as connection:
        found = connection.execute(
            text("SELECT bsm, source_row FROM city.plot ORDER BY source_row")
        ).all()
        refused = connection.execute(text("SELECT source_row, rule FROM onemap.quarantine")).all()
    assert [tuple(row) for row in found] == [("a", 1), ("c", 3), ("d", 4), ("e", 5)]
    assert [tuple(row) for row in refused] == [(2, "bsm: required")]
