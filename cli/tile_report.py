"""A tile's report as people read it."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from tiles.inspection import AttributeReport, LayerReport, TileReport

#: Longer values of attributes are cut.
_LONGEST = 24


def show(report: TileReport, at: str | None, console: Console) -> None:
    """Print a tile's report."""
    z, x, y = report.place
    west, south, east, north = report.box
    when = "now" if at is None else at
    console.print(f"[bold]{report.tileset} {z}/{x}/{y}[/bold], {when}", highlight=False)
    console.print(
        f"{west:.6f}, {south:.6f} … {east:.6f}, {north:.6f} (longitude, latitude)", highlight=False
    )
    version = "unknown" if report.version is None else report.version
    time = "" if report.milliseconds is None else f", {report.milliseconds:.1f} ms"
    console.print(
        f"{report.level}{time}, version {version}, {_size(report.bytes)}, "
        f"{_size(report.gzip_bytes)} as gzip",
        highlight=False,
    )
    if not any(layer.features for layer in report.layers):
        console.print("There is nothing in it.")
    if report.layers:
        console.print(_layers(report.layers))
    for layer in report.layers:
        if layer.attributes:
            console.print(_attributes(layer))


def _layers(layers: tuple[LayerReport, ...]) -> Table:
    table = Table()
    table.add_column("Layer")
    for title in ("Features", "Vertices", "Bytes", "gzip", "ms"):
        table.add_column(title, justify="right")
    table.add_column("Ids")
    table.add_column("Cut from")
    for layer in layers:
        table.add_row(*_cells(layer))
    return table


def _cells(layer: LayerReport) -> Iterator[str]:
    yield layer.name
    yield f"{layer.features}" if layer.of is None else f"{layer.features} of {layer.of}"
    yield f"{layer.vertices}"
    yield _size(layer.bytes)
    yield _size(layer.gzip_bytes)
    yield "" if layer.milliseconds is None else f"{layer.milliseconds:.1f}"
    yield "" if layer.least_id is None else f"{layer.least_id}…{layer.greatest_id}"
    yield layer.source or ""


def _attributes(layer: LayerReport) -> Table:
    table = Table(title=f"{layer.name}: attributes", title_justify="left")
    table.add_column("Attribute")
    table.add_column("Features", justify="right")
    table.add_column("Values", justify="right")
    table.add_column("Most frequent")
    for attribute in layer.attributes:
        table.add_row(
            attribute.name,
            f"{attribute.features}",
            f"{attribute.distinct}",
            ", ".join(_values(attribute)),
        )
    return table


def _values(attribute: AttributeReport) -> Iterator[str]:
    for value, count in attribute.values:
        text = str(value)
        text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
        # In brackets rich sees markup.
        yield f"{text} ({count})".replace("[", r"\[")
    if attribute.distinct > len(attribute.values):
        yield "…"


def _size(number: int) -> str:
    return f"{number}" if number < 1000 else f"{number / 1000:.1f} k"
