"""The report of a load: what came in, what was refused and why, how long it took."""

import json
import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

import shapely
from shapely.geometry.base import BaseGeometry

from etl.prepare import PreparedBatch
from layers.store import BadRow, LoadOutcome

#: Refused rows whose geometry a report keeps for its picture.
MOST_SHAPES = 150
#: Runs of repaired rows that a report keeps.
MOST_RUNS = 50_000
#: A shape's longer side in a picture, in steps that can be told apart.
_PICTURE_STEPS = 60


@dataclass
class BrokenRule:
    """How often a rule was broken, with some examples."""

    rule: str
    rows: int = 0
    #: ``error``: the rows were refused; ``warning``: they were taken.
    severity: str = "error"
    examples: list[dict[str, object]] = field(default_factory=list)


@dataclass
class LoadReport:
    """The report of one load; a plain record that is also kept with the load."""

    layer: str
    source: str
    format: str
    source_layer: str
    checksum: str
    crs: str
    transformation: str
    accuracy_m: float
    encoding: str | None
    operator: str
    valid_from: datetime
    mapping: str | None
    full: bool
    #: The source's columns that gave the geometry, where it came from columns.
    position: tuple[str, ...] = ()
    load_id: int | None = None
    rows: int = 0
    good: int = 0
    bad: int = 0
    repaired: int = 0
    #: Examples of repaired geometries: the row, and what was wrong.
    repairs: list[dict[str, object]] = field(default_factory=list)
    without_height: int = 0
    flattened: int = 0
    notes: list[str] = field(default_factory=list)
    unused_columns: list[str] = field(default_factory=list)
    rules: dict[str, BrokenRule] = field(default_factory=dict)
    outcome: LoadOutcome | None = None
    #: Seconds of the whole load and of its stages; reading and checking run beside sending.
    seconds: dict[str, float] = field(default_factory=dict)
    refused: str | None = None
    #: Some refused rows with their geometry as GeoJSON (EPSG:4490, simplified), for a picture.
    bad_shapes: list[dict[str, object]] = field(default_factory=list)
    #: The numbers of the rows whose geometry was repaired, as runs of first and last; at most
    #: ``MOST_RUNS``, beyond which ``repaired_known`` is false.
    repaired_rows: list[list[int]] = field(default_factory=list)
    repaired_known: bool = True
    #: The files of the survey with their first and last row, where there are several.
    parts: list[dict[str, object]] = field(default_factory=list)
    #: Sums by class of the features that changed; ``None`` where they are too many to sum up.
    classes: list[dict[str, object]] | None = None
    #: The load whose refused rows this repair tried.
    repairs_load: int | None = None
    #: What the source told of its state, for the next load from it.
    watermark: dict[str, object] | None = None
    #: Digest of what the load was asked for, and of what the layer was by then.
    asked: str | None = None

    def count(self, batch: PreparedBatch, examples: int) -> None:
        """Add a batch.

        Args:
            batch: The batch after its checks.
            examples: How many examples each rule keeps.
        """
        self.rows += batch.rows
        self.good += batch.good.num_rows
        self.bad += len(batch.bad)
        self.repaired += len(batch.repaired)
        for number, reason in batch.repaired[: max(examples - len(self.repairs), 0)]:
            self.repairs.append({"row": number, "reason": reason})
        self._note_repaired([number for number, _ in batch.repaired])
        self._note_part(batch)
        self.draw(batch.bad)
        self.without_height += batch.without_height
        self.flattened += batch.flattened
        self.notes += batch.notes
        for rule, rows in batch.broken.items():
            self.count_rule(rule, "error", len(rows), rows, examples)
        for rule, (count, shown) in batch.warned.items():
            self.count_rule(rule, "warning", count, shown, examples)

    def draw(self, rows: Sequence[BadRow]) -> None:
        """Keep the geometry of refused rows for a picture, as far as there is room for more."""
        for row in rows:
            if len(self.bad_shapes) >= MOST_SHAPES:
                return
            if row.geometry_wkb is not None:
                shape = json.loads(shapely.to_geojson(_drawn(row.geometry_wkb)))
                self.bad_shapes.append({"row": row.source_row, "rule": row.rule, "geometry": shape})

    def _note_repaired(self, rows: Sequence[int]) -> None:
        for row in rows:
            if self.repaired_rows and self.repaired_rows[-1][1] == row - 1:
                self.repaired_rows[-1][1] = row
            elif len(self.repaired_rows) < MOST_RUNS:
                self.repaired_rows.append([row, row])
            else:
                self.repaired_known = False

    def _note_part(self, batch: PreparedBatch) -> None:
        if batch.part is None or not batch.rows:
            return
        if self.parts and self.parts[-1]["part"] == batch.part:
            self.parts[-1]["last"] = batch.last_row
        else:
            first = batch.last_row - batch.rows + 1
            self.parts.append({"part": batch.part, "first": first, "last": batch.last_row})

    def count_rule(
        self,
        rule: str,
        severity: str,
        rows: int,
        shown: Sequence[tuple[int, str]],
        examples: int,
    ) -> None:
        """Add rows that break a rule.

        Args:
            rule: The rule's name.
            severity: ``error`` or ``warning``.
            rows: How many rows break it.
            shown: Some of them: number in the file and what is wrong.
            examples: How many examples a rule keeps.
        """
        entry = self.rules.setdefault(rule, BrokenRule(rule, severity=severity))
        entry.rows += rows
        for number, message in shown[: max(examples - len(entry.examples), 0)]:
            entry.examples.append({"row": number, "message": message})

    @property
    def rows_per_second(self) -> float:
        """Rows of the file over the seconds of the whole load."""
        total = self.seconds.get("total", 0.0)
        return self.rows / total if total else 0.0

    def as_dict(self) -> dict[str, object]:
        """Return the report as JSON can hold it."""
        record = asdict(self)
        record["valid_from"] = self.valid_from.isoformat()
        record["rules"] = sorted(record["rules"].values(), key=lambda rule: -rule["rows"])
        record["seconds"] = {name: round(value, 3) for name, value in self.seconds.items()}
        record["rows_per_second"] = round(self.rows_per_second, 1)
        record["peak_memory_bytes"] = peak_memory()
        return record

    def as_json(self) -> str:
        """Return the report as indented JSON."""
        return json.dumps(self.as_dict(), ensure_ascii=False, indent=2)

    def as_text(self) -> str:
        """Return the report as a person reads it."""
        lines = [
            f"{self.source} → {self.layer}  ({self.format}, {self.crs}, valid from "
            f"{self.valid_from.date()})",
            f"  {self.rows:,} rows: {self.good:,} good, {self.bad:,} bad, "
            f"{self.repaired:,} repaired geometries",
        ]
        if self.outcome is not None:
            lines.append(
                f"  {self.outcome.added:,} added, {self.outcome.changed:,} changed, "
                f"{self.outcome.unchanged:,} unchanged, {self.outcome.closed:,} closed; "
                f"data version {self.outcome.data_version}, load {self.load_id}"
            )
        lines.append(
            f"  {self.seconds.get('total', 0.0):.1f} s, {self.rows_per_second:,.0f} rows/s, "
            f"peak memory {peak_memory() / 1024**2:,.0f} MB"
        )
        if self.accuracy_m:
            lines.append(f"  the datum transformation is good to {self.accuracy_m:g} m")
        if self.without_height:
            lines.append(
                f"  WARNING: {self.without_height:,} features came without heights and "
                "are kept at 0 m"
            )
        if self.flattened:
            lines.append(f"  {self.flattened:,} heights were dropped: the layer has none")
        if self.unused_columns:
            lines.append(f"  columns not used: {', '.join(self.unused_columns)}")
        lines.extend(f"  repaired row {entry['row']}: {entry['reason']}" for entry in self.repairs)
        lines.extend(f"  note: {note}" for note in self.notes)
        for rule in sorted(self.rules.values(), key=lambda rule: -rule.rows):
            mark = "" if rule.severity == "error" else "warning: "
            lines.append(f"  {rule.rows:,} × {mark}{rule.rule}")
            lines.extend(f"      row {e['row']}: {e['message']}" for e in rule.examples[:2])
        if self.refused is not None:
            lines.append(f"  refused: {self.refused}")
        return "\n".join(lines)


def _drawn(wkb: bytes) -> BaseGeometry:
    """Return a geometry as a small picture needs it: two-dimensional, with few vertices."""
    shape = shapely.force_2d(shapely.from_wkb(wkb))
    west, south, east, north = shapely.bounds(shape)
    step = max(east - west, north - south) / _PICTURE_STEPS
    simple = shapely.simplify(shape, step, preserve_topology=False)
    return shapely.transform(shape if simple.is_empty else simple, lambda xy: xy.round(7))


def peak_memory() -> int:
    """Return the most memory this process has held, in bytes (Linux counts KiB, macOS bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
