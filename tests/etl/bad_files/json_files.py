"""GeoJSON and sequences of it: broken, deep, huge, or of another kind."""

import json
from pathlib import Path

from tests.etl.bad_files.case import BadFile, Maker, content, cut, patched, stretched, written

GOOD = written("parcels.geojson", "GeoJSON")
LINES = written("parcels.geojsonl", "GeoJSONSeq")
_CANNOT = "cannot be read as GeoJSON"


def _features(*geometries: str, name: str = "parcels.geojson") -> Maker:
    """A FeatureCollection with these geometries, as they are written."""
    rows = ",".join(
        f'{{"type":"Feature","properties":{{"BSM":"P{number}"}},"geometry":{text}}}'
        for number, text in enumerate(geometries)
    )
    return content(name, f'{{"type":"FeatureCollection","features":[{rows}]}}')


SQUARE = json.dumps(
    {
        "type": "Polygon",
        "coordinates": [
            [[114.3, 29.8], [114.4, 29.8], [114.4, 29.9], [114.3, 29.9], [114.3, 29.8]]
        ],
    }
)


def _ring(*positions: list[float]) -> str:
    return json.dumps({"type": "Polygon", "coordinates": [list(positions)]})


def _long_line(folder: Path) -> Path:
    path = folder / "parcels.geojsonl"
    path.write_text('{"type":"Feature","properties":{"BSM":"' + "x" * (65 << 20) + '"}}\n')
    return path


def _line(key: str, geometry: str = SQUARE) -> str:
    return f'{{"type":"Feature","properties":{{"BSM":"{key}"}},"geometry":{geometry}}}'


def _nest(depth: int) -> str:
    empty = '{"type":"GeometryCollection","geometries":[]}'
    return '{"type":"GeometryCollection","geometries":[' * depth + empty + "]}" * depth


def _deep_lines(folder: Path) -> Path:
    path = folder / "parcels.ndjson"
    path.write_text("\n".join([_line("a"), _line("b", _nest(100)), _line("c", _nest(2000))]))
    return path


def _control_lines(folder: Path) -> Path:
    path = folder / "parcels.ndjson"
    keys = ("a", "b\\u0000x", "c\\u0001d", "e\\nf", "g")
    path.write_text("\n".join(_line(key) for key in keys))
    return path


#: What is told of a line that is no feature: it has no key and no geometry either.
_NO_FEATURE = {"json": 1, "bsm: required": 1, "geometry_missing": 1}

JSON_FILES = (
    *(
        BadFile(f"GeoJSON cut at {share:.0%}", cut(GOOD, share), _CANNOT)
        for share in (0.02, 0.3, 0.7, 0.99)
    ),
    BadFile("GeoJSON with a syntax error", patched(GOOD, 0.5, b"]]}}"), _CANNOT),
    BadFile("GeoJSON of ten gigabytes", stretched(GOOD), "is not text: it has a NUL byte"),
    BadFile("GeoJSON nested 100,000 deep", content("p.geojson", '{"a":' + "[" * 100_000), _CANNOT),
    BadFile("GeoJSON geometry nested deeply",
            _features('{"type":"Polygon","coordinates":' + "[" * 5000 + "]" * 5000 + "}"), _CANNOT),
    BadFile("JSON of something else", content("p.json", '{"name": "x", "version": 1}'), _CANNOT),
    BadFile("JSON that is a list", content("p.geojson", "[1, 2]"), "is not GeoJSON"),
    BadFile("TopoJSON", content("p.json", '{"type":"Topology","objects":{},"arcs":[]}'), _CANNOT),
    BadFile("GeoJSON without features", content("p.geojson", '{"type":"FeatureCollection"}'),
            "(the file has no feature|cannot be read|no column is known|has no geometry)"),
    BadFile("GeoJSON with no feature",
            content("p.geojson", '{"type":"FeatureCollection","features":[]}'),
            "(the file has no feature|no column is known|has no geometry)"),
    BadFile("GeoJSON, features are no list",
            content("p.geojson", '{"type":"FeatureCollection","features":{"a":1}}'),
            "(cannot be read|no column is known|has no geometry)"),
    BadFile("GeoJSON in no known encoding",
            content("p.geojson", b'{"type":"FeatureCollection","name":"\xff\xfe\xff"}'),
            "neither UTF-8 nor GB18030"),
    BadFile("GeoJSON said to be GBK, is not", content("p.geojson", b'{"a":"\xff\xff"}'),
            "its text is not GB18030", options={"encoding": "GBK"}),
    BadFile("GeoJSON on Xi'an 1980",
            content("p.geojson", '{"type":"FeatureCollection","crs":{"type":"name","properties":'
                    '{"name":"urn:ogc:def:crs:EPSG::2383"}},"features":[{"type":"Feature",'
                    f'"properties":{{"BSM":"1"}},"geometry":{SQUARE}}}]}}'), "Xi'an 1980"),
    BadFile("GeoJSON with NULL geometries", _features("null", SQUARE, "null", SQUARE),
            rules={"geometry_missing": 2}, good=2),
    BadFile("GeoJSON, coordinates beyond all numbers",
            _features(SQUARE, SQUARE, _ring([1, 1], [2, 2]).replace("2", "1e999")),
            "(cannot be read|rows are bad)", options={"max_bad": 0.0}),
    BadFile("GeoJSON with broken rings",
            _features(SQUARE, _ring([114, 29], [114.1, 29]), _ring([114, 29]), _ring(),
                      '{"type":"Polygon","coordinates":[]}', SQUARE), good=2,
            rules={"geometry_missing": 4}),
    BadFile("GeoJSON, unknown kind of geometry",
            _features(SQUARE, '{"type":"Circle","coordinates":[1,2],"radius":3}'),
            rules={"geometry_missing": 1}, good=1),
    BadFile("GeoJSON, mixed kinds of geometry",
            _features(SQUARE, '{"type":"Point","coordinates":[114.3,29.8]}',
                      '{"type":"LineString","coordinates":[[114.3,29.8],[114.4,29.8]]}'),
            rules={"geometry_type": 2}, good=1),
    BadFile("sequence without a good line", content("p.ndjson", "咸宁\n1\n[]\n"),
            "no line of it is a GeoJSON feature"),
    BadFile("sequence cut at 60%", cut(LINES, 0.6), rules=_NO_FEATURE, good=3),
    BadFile("sequence with a broken line", patched(LINES, 2, b"\x01\x02"), rules=_NO_FEATURE,
            good=5),
    BadFile("sequence with geometries nested deeply", _deep_lines,
            rules={**_NO_FEATURE, "json": 1, "geometry_missing": 2, "bsm: required": 1}, good=1),
    BadFile("sequence with NUL and control characters in keys", _control_lines,
            rules={"bsm: characters": 3}, good=2),
    BadFile("sequence of ten gigabytes", stretched(LINES), "is not text: it has a NUL byte"),
    BadFile("sequence with an endless line", _long_line, "line 1 is longer than 64 MB"),
)  # fmt: skip
