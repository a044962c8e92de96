"""Arithmetic and Markdown of the benchmark's tables."""

import math
import statistics
from collections.abc import Mapping, Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` (0 to 1) of all do not exceed."""
    if not values:
        raise ValueError("no values to take a percentile of")
    ranked = sorted(values)
    return ranked[max(math.ceil(share * len(ranked)) - 1, 0)]


def shared_ratio(mine: Mapping[str, float], other: Mapping[str, float]) -> float | None:
    """Return how many times as long ``other`` took as ``mine`` for the tiles that both answered.

    Args:
        mine: Tile → milliseconds.
        other: The same of another server.

    Returns:
        The ratio of their sums; ``None`` if they have no tile in common.
    """
    both = [name for name in mine if name in other]
    own = sum(mine[name] for name in both)
    return sum(other[name] for name in both) / own if own > 0 else None


def medians(passes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return each tile's median over the passes in which it was answered."""
    names = dict.fromkeys(name for one in passes for name in one)
    return {name: statistics.median(one[name] for one in passes if name in one) for name in names}


def middle(values: Sequence[float]) -> float | None:
    """Return the median, or ``None`` of nothing."""
    return statistics.median(values) if values else None


def number(value: float | None, digits: int = 1) -> str:
    """Return a figure with thousands separated; a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def ratio(value: float | None) -> str:
    """Return a ratio with two or three leading digits."""
    if value is None:
        return "–"
    return f"{value:.2f} ×" if value < 10 else f"{value:,.0f} ×"


def size(octets: float | None) -> str:
    """Return a number of bytes in thousands (KB) or millions (MB)."""
    if octets is None:
        return "–"
    return f"{octets / 1e6:.1f} MB" if octets >= 1e6 else f"{octets / 1e3:.1f} KB"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
