"""A network of lines between numbered points, as it would be after the load."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import select

from etl.check_kind import Parameters
from etl.check_survey import Finding, SurveyView
from layers.definition import LayerDefinition

_ROWS = 20_000


class Lines(Parameters):
    """The layer of lines, and the fields that name the points at their ends."""

    layer: str
    start: str
    end: str


class Points(Parameters):
    """The layer of points and the field that names them."""

    layer: str
    id: str


class NetworkParameters(Parameters):
    """Parameters of a check of a network; it may be declared in either layer."""

    lines: Lines
    points: Points

    def other_fields(self) -> Sequence[tuple[str, str]]:
        """Return layer and field of what is named there."""
        return (
            (self.lines.layer, self.lines.start),
            (self.lines.layer, self.lines.end),
            (self.points.layer, self.points.id),
        )


@dataclass(frozen=True)
class Network:
    """Lines and points as tables; ``row`` is the row of the survey, -1 where it is not of it."""

    #: ``row``, ``start``, ``end`` and the fields asked for.
    lines: pd.DataFrame
    #: Index: the point's number; ``row`` and the fields asked for.
    points: pd.DataFrame

    def ends(self) -> pd.DataFrame:
        """Return one row an end of a line: ``point``, ``line`` (its place) and ``row``."""
        count = len(self.lines)
        return pd.DataFrame(
            {
                "point": pd.concat([self.lines["start"], self.lines["end"]], ignore_index=True),
                "line": np.tile(np.arange(count), 2),
                "row": np.tile(self.lines["row"].to_numpy(), 2),
            }
        )


def missing_part(view: SurveyView, asked: NetworkParameters) -> Finding | None:
    """Return why a network cannot be checked: the layer that is not being loaded is empty."""
    for name in (asked.lines.layer, asked.points.layer):
        if name != view.layer.name and view.is_empty(name):
            return Finding(None, f"not checked: the layer {name} holds nothing at that date")
    return None


def network_of(
    view: SurveyView,
    asked: NetworkParameters,
    line_fields: Sequence[str] = (),
    point_fields: Sequence[str] = (),
) -> Network:
    """Return the network as it would be after the load."""
    lines = _table(
        view, asked.lines.layer, {"start": asked.lines.start, "end": asked.lines.end}, line_fields
    )
    points = _table(view, asked.points.layer, {"id": asked.points.id}, point_fields)
    return Network(lines, points.drop_duplicates("id").set_index("id"))


def _table(
    view: SurveyView, layer: str, named: dict[str, str], fields: Sequence[str]
) -> pd.DataFrame:
    wanted = named | {name: name for name in fields}
    shared = view.shared.setdefault("tables", {})
    known = (layer, *sorted(wanted.items()))
    if known not in shared:
        state = view.state(layer, tuple(dict.fromkeys(wanted.values())))
        statement = select(state.c.source_row, *(state.c[name] for name in wanted.values()))
        parts = [
            pd.DataFrame([tuple(row) for row in part], columns=["row", *wanted])
            for part in view.stream(statement, _ROWS)
        ]
        whole = pd.concat(parts, ignore_index=True) if parts else _no_rows(wanted)
        whole["row"] = whole["row"].fillna(-1).astype("int64")
        shared[known] = whole
    found: pd.DataFrame = shared[known]
    return found


def _no_rows(wanted: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=object) for name in ("row", *wanted)})


def components(
    first: NDArray[np.int64], second: NDArray[np.int64], nodes: int
) -> NDArray[np.int64]:
    """Return for each node the least node it is connected with.

    Args:
        first: Nodes, 0 to ``nodes`` - 1, of one end of each link.
        second: Of the other end.
        nodes: The number of nodes.
    """
    # Labels run along the links and along shortcuts through labels until they rest (Shiloach and
    # Vishkin, 1982): a few rounds even for long chains.
    label = np.arange(nodes, dtype=np.int64)
    while True:
        low = np.minimum(label[first], label[second])
        fresh = label.copy()
        for end in (first, second):
            np.minimum.at(fresh, label[end], low)
            np.minimum.at(fresh, end, low)
        while True:
            jumped = fresh[fresh]
            if np.array_equal(jumped, fresh):
                break
            fresh = jumped
        if np.array_equal(fresh, label):
            return label
        label = fresh


def point_findings(
    view: SurveyView,
    asked: NetworkParameters,
    ends: pd.DataFrame,
    points: pd.DataFrame,
    said: dict[Any, str],
) -> list[Finding]:
    """Return what is said of points, at rows of the survey.

    A survey of points is told at the point, one of lines at the first of its lines that ends there.
    """
    if view.layer.name == asked.points.layer:
        rows = points["row"].to_dict()
    else:
        rows = ends[ends["row"] >= 0].groupby("point")["row"].min().to_dict()
    return [
        Finding(int(rows[point]), message)
        for point, message in said.items()
        if rows.get(point, -1) >= 0
    ]


def one_of_both(asked: NetworkParameters, layer: LayerDefinition) -> None:
    """Refuse a check of a network in a layer that is no part of it.

    Raises:
        ValueError: If it is in such a layer.
    """
    if layer.name not in (asked.lines.layer, asked.points.layer):
        raise ValueError(f"the network is one of {asked.lines.layer} and {asked.points.layer}")
