"""Any CQL2 expression over the fields of a small schema, as CQL2 JSON, and as text."""

from typing import Any

import orjson
import shapely
from hypothesis import strategies as st

Tree = Any
_LETTERS = [*"aAáÁßςøo中_", "", "a\u0301", "SS", "Σα", "x%", "it's", "a\\b"]
TEXT_FIELDS, WHOLE_FIELDS, NUMBER_FIELDS = ("code", "alias"), ("floors", "rank"), ("size", "ratio")
BOOLEAN_FIELDS = ("lit", "open")
DATE_FIELDS, INSTANT_FIELDS = ("built", "gone"), ("seen", "left")
#: Texts with commas between.
LIST_FIELD = "tags"
DAYS = ["1988-07-01", "2011-03-04", "2011-12-31", "2012-01-01", "2012-02-29"]
MOMENTS = [
    "1988-06-30T15:00:00Z",
    "2011-03-03T16:00:00Z",
    "2011-12-31T16:00:00Z",
    "2012-01-01T12:30:45.250000Z",
    "2012-02-28T16:00:00+00:00",
]


def named(*names: str) -> st.SearchStrategy[Tree]:
    return st.sampled_from([{"property": name} for name in names])


def op(name: str, *arguments: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.tuples(*arguments).map(lambda args: {"op": name, "args": list(args)})


def any_op(names: list[str], *arguments: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.tuples(st.sampled_from(names), *arguments).map(
        lambda parts: {"op": parts[0], "args": list(parts[1:])}
    )


texts = st.one_of(
    named(*TEXT_FIELDS, LIST_FIELD),
    st.sampled_from(_LETTERS),
    any_op(["lower", "upper"], named(*TEXT_FIELDS)),
)
folds = st.sampled_from([["casei"], ["accenti"], ["casei", "accenti"], ["accenti", "casei"], []])
patterns = st.lists(st.sampled_from([*"aá%_ς中", "\\%", "\\_", "SS"]), max_size=4)
days = st.sampled_from(DAYS)
dates = st.one_of(named(*DATE_FIELDS), days.map(lambda day: {"date": day}))
instants = st.one_of(
    named(*INSTANT_FIELDS), st.sampled_from(MOMENTS).map(lambda moment: {"timestamp": moment})
)
times = st.one_of(dates, instants)
plain_numbers = st.one_of(
    named(*WHOLE_FIELDS),
    named(*NUMBER_FIELDS),
    named("id"),
    st.integers(-4, 12),
    st.sampled_from([0.0, 0.25, -1.5, 3.0, 1e6, 2.5, 9007199254740993]),
    op("char_length", texts),
    any_op(["year", "month", "day"], times),
)
computed = st.recursive(
    plain_numbers,
    lambda inner: st.one_of(
        any_op(["+", "-", "*", "/", "div", "%"], inner, inner),
        op("^", plain_numbers, st.integers(-3, 3)),
        any_op(["abs", "floor", "ceil", "round", "sqrt"], inner),
    ),
    max_leaves=4,
)
booleans = st.one_of(named(*BOOLEAN_FIELDS), st.booleans())


def _fold(names: list[str], tree: Tree) -> Tree:
    for name in names:
        tree = {"op": name, "args": [tree]}
    return tree


def folded(*arguments: st.SearchStrategy[Tree]) -> st.SearchStrategy[list[Tree]]:
    """Texts that are all folded in the same way, as the standard wants them to be."""
    return st.tuples(folds, *arguments).map(
        lambda parts: [_fold(parts[0], tree) for tree in parts[1:]]
    )


COMPARISONS = ["=", "<>", "<", "<=", ">", ">="]
_equalities = ["=", "<>"]
_pairs = st.one_of(
    st.tuples(st.sampled_from(COMPARISONS), computed, computed),
    st.tuples(st.sampled_from(COMPARISONS), texts, texts),
    st.tuples(st.sampled_from(COMPARISONS), times, times),
    st.tuples(st.sampled_from(COMPARISONS), named(*DATE_FIELDS), days),
    st.tuples(st.sampled_from(COMPARISONS), booleans, booleans),
).map(lambda parts: {"op": parts[0], "args": list(parts[1:])})
_folded_pairs = st.tuples(st.sampled_from(_equalities), folded(texts, texts)).map(
    lambda parts: {"op": parts[0], "args": parts[1]}
)
_likes = folded(texts, patterns.map("".join)).map(lambda args: {"op": "like", "args": args})
_betweens = st.one_of(
    op("between", computed, plain_numbers, plain_numbers),
    op("between", times, times, times),
    op("between", texts, texts, texts),
)


def _listed(subjects: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.lists(subjects, min_size=2, max_size=6).map(
        lambda values: {"op": "in", "args": [values[0], values[1:]]}
    )


_folded_ins = st.integers(2, 4).flatmap(
    lambda size: folded(*[texts] * size).map(
        lambda values: {"op": "in", "args": [values[0], values[1:]]}
    )
)
_ins = st.one_of(
    _listed(plain_numbers),
    _listed(st.integers(-3, 3)),
    _listed(texts),
    _listed(times),
    _listed(booleans),
    _folded_ins,
)


# Coordinates of a coarse grid, so that shapes touch, share edges and are equal now and then.
_ordinates = st.integers(0, 4)
_points = st.tuples(_ordinates, _ordinates)
points = _points.map(shapely.Point)
lines = (
    st.lists(_points, min_size=2, max_size=4)
    .map(shapely.LineString)
    .filter(lambda line: line.length > 0 and line.is_valid)
)
areas = st.one_of(
    st.tuples(_ordinates, _ordinates, st.integers(1, 3), st.integers(1, 3)).map(
        lambda box: shapely.box(box[0], box[1], box[0] + box[2], box[1] + box[3])
    ),
    st.lists(_points, min_size=3, max_size=3, unique=True)
    .map(shapely.Polygon)
    .filter(lambda shape: shape.area > 0),
    st.just(shapely.Polygon(shapely.box(0, 0, 4, 4).exterior, [shapely.box(1, 1, 2, 3).exterior])),
)
multi_points = st.lists(_points, min_size=1, max_size=3).map(shapely.MultiPoint)
multi_lines = st.lists(lines, min_size=1, max_size=2).map(shapely.MultiLineString)
multi_areas = (
    st.lists(areas, min_size=1, max_size=2)
    .map(shapely.MultiPolygon)
    .filter(lambda shape: shape.is_valid)
)
collections = st.lists(st.one_of(points, lines, areas), min_size=1, max_size=2).map(
    shapely.GeometryCollection
)
shapes = st.one_of(points, lines, areas, multi_points, multi_lines, multi_areas)


def as_tree(shape: shapely.Geometry) -> Tree:
    return orjson.loads(shapely.to_geojson(shape))


_boxes = st.tuples(_ordinates, _ordinates, st.integers(1, 3), st.integers(1, 3)).map(
    lambda box: {"bbox": [box[0], box[1], box[0] + box[2], box[1] + box[3]]}
)
_antimeridian = st.just({"bbox": [3.5, -10, 1.5, 10]})
geometries = st.one_of(
    named("geometry"), named("geometry"), shapes.map(as_tree), _boxes, _antimeridian
)
SPATIAL = [
    f"s_{name}"
    for name in (
        "intersects", "disjoint", "within", "contains", "equals", "touches", "crosses", "overlaps",
    )
]  # fmt: skip
_spatials = st.one_of(
    any_op(SPATIAL, geometries, geometries),
    any_op(SPATIAL, named("geometry"), st.one_of(lines, areas, multi_areas).map(as_tree)),
    any_op(SPATIAL, shapes.map(as_tree), named("geometry")),
    any_op(["s_intersects", "s_disjoint"], named("geometry"), collections.map(as_tree)),
)


def _spans(ends: list[str], fields: tuple[str, ...]) -> st.SearchStrategy[Tree]:
    texts = st.sampled_from(ends)
    constant = st.tuples(texts, texts).map(lambda pair: sorted(pair, key=ends.index))
    open_start = st.tuples(st.just(".."), st.one_of(texts, named(*fields)))
    open_end = st.tuples(st.one_of(texts, named(*fields)), st.just(".."))
    of_fields = st.tuples(named(*fields), named(*fields))
    mixed = st.tuples(texts, named(*fields))
    return st.one_of(constant, open_start, open_end, of_fields, mixed).map(
        lambda pair: {"interval": list(pair)}
    )


spans = st.one_of(_spans(DAYS, DATE_FIELDS), _spans(MOMENTS, INSTANT_FIELDS))
_OF_INSTANTS = ["t_after", "t_before", "t_disjoint", "t_equals", "t_intersects"]
TEMPORAL = [
    *_OF_INSTANTS,
    "t_contains",
    "t_during",
    "t_finishedBy",
    "t_finishes",
    "t_meets",
    "t_metBy",
    "t_overlappedBy",
    "t_overlaps",
    "t_startedBy",
    "t_starts",
]
_temporals = st.one_of(
    any_op(_OF_INSTANTS, st.one_of(times, spans), st.one_of(times, spans)),
    any_op(TEMPORAL, st.one_of(times, spans), spans),
    any_op(TEMPORAL, spans, times),
    any_op(TEMPORAL, spans, spans),
    any_op(TEMPORAL, _spans(DAYS, DATE_FIELDS), _spans(DAYS, DATE_FIELDS)),
)
_split = st.just({"op": "split", "args": [{"property": LIST_FIELD}, ","]})
_plain_texts = st.one_of(st.sampled_from(["a", "b", "中"]), named(*TEXT_FIELDS))
_arrays = st.one_of(
    *(
        st.tuples(array, array)
        for array in (
            st.one_of(st.lists(_plain_texts, max_size=3), _split),
            st.lists(plain_numbers, max_size=3),
            st.lists(booleans, max_size=3),
            st.lists(times, max_size=3),
            st.lists(st.lists(st.integers(0, 2), max_size=2), max_size=2),
        )
    )
)
ARRAYS = ["a_equals", "a_contains", "a_containedBy", "a_overlaps"]
_array_relations = st.tuples(st.sampled_from(ARRAYS), _arrays).map(
    lambda parts: {"op": parts[0], "args": list(parts[1])}
)
_nulls = op("isNull", st.one_of(computed, texts, times, booleans, named("geometry"), _pairs))
# Those that hardly ever hold come more often.
predicates = st.one_of(
    st.one_of(_pairs, _folded_pairs, _betweens, _ins),
    st.one_of(_likes, _array_relations, _nulls, booleans),
    _spatials,
    _temporals,
)
expressions = st.recursive(
    predicates,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)).map(
            lambda parts: {"op": parts[0], "args": parts[1]}
        ),
        op("not", inner),
        any_op(_equalities, inner, inner),
    ),
    max_leaves=4,
)


def as_text(tree: Tree) -> str:
    """Return a tree as CQL2 text."""
    if isinstance(tree, bool):
        return str(tree).upper()
    if isinstance(tree, str):
        return "'" + tree.replace("'", "''") + "'"
    if isinstance(tree, list):
        return f"({', '.join(map(as_text, tree))})"
    if not isinstance(tree, dict):
        return repr(tree)
    if "op" in tree:
        return _operation_text(tree["op"], tree["args"])
    return _object_text(tree)


def _object_text(tree: Tree) -> str:
    if "property" in tree:
        name = tree["property"]
        return f'"{name}"' if name in ("left", "code") else str(name)
    for name in ("date", "timestamp"):
        if name in tree:
            return f"{name.upper()}({as_text(tree[name])})"
    for name in ("bbox", "interval"):
        if name in tree:
            return f"{name.upper()}{as_text(tree[name])}"
    return str(shapely.to_wkt(shapely.geometry.shape(tree), rounding_precision=-1))


def _operation_text(name: str, arguments: list[Tree]) -> str:
    if name in ("and", "or"):
        return f"({f' {name.upper()} '.join(map(as_text, arguments))})"
    if name in (*COMPARISONS, "+", "-", "*", "/", "div", "%", "^"):
        return f"({as_text(arguments[0])} {name} {as_text(arguments[1])})"
    first = as_text(arguments[0])
    if name == "not":
        return f"(NOT {first})"
    if name == "isNull":
        return f"({first} IS NULL)"
    if name == "between":
        return f"({first} BETWEEN {as_text(arguments[1])} AND {as_text(arguments[2])})"
    if name in ("like", "in"):
        return f"({first} {name.upper()} {as_text(arguments[1])})"
    return f"{name.upper()}({', '.join(map(as_text, arguments))})"
