"""What of a band is to be computed: the cells, and the features in them, that loads touched."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.definition import LayerDefinition, PyramidBand
from layers.effective_changes import CONTENT, touched_contents
from layers.pyramid_bands import band_fields, bands_of, finer_band
from layers.pyramid_store import Plan, PyramidStore, Step
from tiles.generaliser_registry import band_of, tile_generalisers
from tiles.pyramid.cells import cells_in, spread, tile_ranges
from tiles.pyramid.outlines import in_one_form
from tiles.pyramid.worker import source_fields

#: Layers of fewer features are built in this process: others would take longer to start.
SMALL = 20_000
#: With more changed rows than so many, a load is taken to have changed everything.
_MOST_CHANGES = 200_000

#: A changed row of the layer itself, as ``layers.detail_tiles.changed_rows`` has them.
_Row = tuple[Any, ...]


@dataclass(frozen=True)
class Touched:
    """What of a band is to be computed."""

    #: Code of the cell → about how many versions it has.
    cells: dict[int, int]
    #: Code of the cell → the features to be renewed in it; ``None`` is all.
    features: dict[int, set[int]] | None = None


class LayerChanges:
    """What loads changed of a layer; what one band needs to know is kept for the others."""

    def __init__(self, store: PyramidStore, layer: LayerDefinition) -> None:
        self._store = store
        self._layer = layer
        # What a band that is made of the layer itself shows, and all that any of them shows.
        self._shown = {
            band: _shown(layer, band) for band in bands_of(layer) if finer_band(layer, band) is None
        }
        self._fields = tuple(dict.fromkeys(name for own in self._shown.values() for name in own))
        self._known: dict[int, list[_Row]] = {}

    def work(self, plan: Plan, count: int) -> Touched:
        """Return what of a band is to be computed.

        Args:
            plan: What the band has to catch up with.
            count: About how many features the layer has.
        """
        touched = None if plan.anew else self._touched(plan, count)
        if touched is not None:
            return touched
        layer, band = self._layer, plan.band
        everything = self._store.ranges(
            layer, finer_band(layer, band), cell_zoom(layer, band), _margin(layer, band)
        )
        return Touched(cells_in(everything[:, :4], everything[:, 4]))

    def _touched(self, plan: Plan, count: int) -> Touched | None:
        """Return what a plan's loads touch; ``None`` is all."""
        band = band_of(self._layer, plan.band, band_fields(self._layer, plan.band))
        method = tile_generalisers()[plan.band.method]
        found: dict[int, set[int]] = defaultdict(set)
        for step in plan.steps:
            changed = self._changed(plan.band, step)
            if changed is None:
                return None
            ids, shapes = changed
            bounds = shapely.bounds(shapes).reshape(-1, 4)
            each, codes = spread(tile_ranges(bounds, band.cell_zoom, method.margin_m(band)))
            for code, feature in zip(codes.tolist(), ids[each].tolist(), strict=True):
                found[code].add(feature)
        if plan.band in self._shown and method.one_by_one(band):
            return Touched({code: len(features) for code, features in found.items()}, dict(found))
        # Cells of a small layer are read together, those of a large one each by itself.
        return Touched(dict.fromkeys(found, 1 if count <= SMALL else SMALL))

    def _changed(
        self, band: PyramidBand, step: Step
    ) -> tuple[NDArray[np.int64], NDArray[np.object_]] | None:
        """Return features, and shapes of theirs, that a load made different for a band.

        The feature is 0 where a band is made of another; ``None`` is too many.
        """
        source = finer_band(self._layer, band)
        if source is not None:
            finer = self._store.changed_shapes(self._layer, source, step, _MOST_CHANGES)
            return None if finer is None else (np.zeros(len(finer), np.int64), _read(finer))
        rows = self._differing(step)
        if rows is None:
            return None
        places = [
            *range(CONTENT + 1),
            *(CONTENT + 1 + self._fields.index(name) for name in self._shown[band]),
        ]
        mine = touched_contents([row[place] for place in places] for row in rows)
        pairs = sorted(
            {(feature, content[0]) for feature, content in mine if content[0] is not None}
        )
        shapes = _read([wkb for _, wkb in pairs])
        there = ~shapely.is_empty(shapes)
        return np.array([feature for feature, _ in pairs], np.int64)[there], shapes[there]

    def _differing(self, step: Step) -> list[_Row] | None:
        """Return the rows of the features that a load made different for any band, or ``None``.

        Something else of a feature may have changed that no band shows, or an outline be told
        from another corner on.
        """
        if step.load_id in self._known:
            return self._known[step.load_id]
        rows = self._store.changed_rows(self._layer, self._fields, step, _MOST_CHANGES)
        if rows is None:
            return None
        shapes = [None if row[CONTENT] is None else bytes(row[CONTENT]) for row in rows]
        told = [wkb for wkb in dict.fromkeys(shapes) if wkb is not None]
        outlines = shapely.to_wkb(in_one_form(self._layer, _read(told)))
        known: dict[bytes | None, bytes | None] = {None: None}
        known.update(zip(told, outlines, strict=True))
        # Rows of SQLAlchemy are slow to read from often.
        seen = [
            (*row[:CONTENT], known[shape], *row[CONTENT + 1 :])
            for row, shape in zip(map(tuple, rows), shapes, strict=True)
        ]
        differing = {feature for feature, _ in touched_contents(seen)}
        kept = [row for row in seen if row[0] in differing]
        if len(kept) + sum(map(len, self._known.values())) <= _MOST_CHANGES:
            self._known[step.load_id] = kept
        return kept


def cell_zoom(layer: LayerDefinition, band: PyramidBand) -> int:
    """Return the zoom whose tiles are a band's cells."""
    return band_of(layer, band, band_fields(layer, band)).cell_zoom


def _margin(layer: LayerDefinition, band: PyramidBand) -> float:
    whole = band_of(layer, band, band_fields(layer, band))
    return tile_generalisers()[band.method].margin_m(whole)


def _shown(layer: LayerDefinition, band: PyramidBand) -> tuple[str, ...]:
    fields = source_fields(layer, band)
    importance = layer.tiles.importance
    return fields if importance is None else tuple(dict.fromkeys((*fields, importance)))


def _read(wkb: Sequence[bytes]) -> NDArray[np.object_]:
    return np.array(shapely.from_wkb(list(wkb)), dtype=object)
