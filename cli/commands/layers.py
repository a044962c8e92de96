"""``onemap layers …``: the catalogue of layers, and checks of definition files."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.city import catalogue_of
from cli.settings import read_settings
from etl.layer_checks import LayerChecks
from layers.catalogue import Catalogue
from layers.definition import FieldDefinition, LayerDefinition
from layers.documentation import pages
from layers.errors import DefinitionError
from layers.settings import LayersSettings
from layers.yaml_source import load_model


def register(app: typer.Typer) -> None:
    """Add ``layers list``, ``show``, ``check`` and ``document``."""
    group = typer.Typer(help="The catalogue of layers.", no_args_is_help=True)
    group.command("list")(list_layers)
    group.command("show")(show_layer)
    group.command("check")(check_layers)
    group.command("document")(document_layers)
    app.add_typer(group, name="layers")


def list_layers() -> None:
    """List all layers with their titles, themes and geometry types."""
    catalogue = catalogue_of(read_settings(LayersSettings))
    table = Table("name", "名称", "title", "theme", "geometry", "fields", box=None)
    for layer in sorted(catalogue.layers.values(), key=lambda one: (one.theme, one.name)):
        table.add_row(
            layer.name,
            layer.title.zh,
            layer.title.en,
            layer.theme,
            _geometry(layer),
            str(len(layer.fields)),
        )
    Console().print(table)


def show_layer(
    name: Annotated[str, typer.Argument(help="The layer's name, such as land_parcel.")],
) -> None:
    """Show one layer: what it is, its key, and all of its fields."""
    layer = catalogue_of(read_settings(LayersSettings)).layer(name)
    console = Console()
    console.print(f"[bold]{layer.name}[/]  {layer.title.zh}  {layer.title.en}")
    console.print(f"{layer.abstract.zh}\n{layer.abstract.en}")
    facts = {
        "theme": layer.theme,
        "geometry": _geometry(layer),
        "key": ", ".join(layer.key),
        "standard": layer.standard or "none",
    }
    for fact, value in facts.items():
        console.print(f"{fact}: {value}", highlight=False)
    table = Table("field", "名称", "title", "type", "rules", "also delivered as", box=None)
    for field in layer.fields:
        table.add_row(
            field.name,
            field.title.zh,
            field.title.en,
            field.type,
            _rules(field),
            ", ".join(field.aliases),
        )
    console.print(table)
    if layer.checks:
        console.print(_checks(layer))


def _checks(layer: LayerDefinition) -> Table:
    table = Table("check", "检查", "what it asks", "kind", "severity", "source", box=None)
    for check in layer.checks:
        severity = check.severity if check.enabled else f"{check.severity} (off)"
        table.add_row(
            check.name, check.title.zh, check.title.en, check.rule, severity, check.source
        )
    return table


def check_layers(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Layer files to check; none checks the whole catalogue."),
    ] = None,
) -> None:
    """Check definition files; every fault is printed as file:line: field: what is wrong."""
    catalogue = None
    if not files:
        catalogue = catalogue_of(read_settings(LayersSettings))
        for layer in catalogue.layers.values():
            LayerChecks(layer, catalogue, {})
        typer.echo(
            f"{len(catalogue.layers)} layers, {len(catalogue.maps)} maps and "
            f"{len(catalogue.codes)} code lists are well."
        )
        return
    faults = [fault for path in files for fault in _faults(path)]
    if faults:
        raise DefinitionError("\n".join(faults))
    typer.echo(f"{len(files)} layer files are well.")


def document_layers(
    out: Annotated[
        Path, typer.Option(help="The folder to write to; pages of layers that are gone go too.")
    ] = Path("docs/layers"),
) -> None:
    """Write a page for each layer, from its definition alone."""
    written = pages(catalogue_of(read_settings(LayersSettings)))
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.md"):
        if old.name not in written:
            old.unlink()
    for name, content in written.items():
        (out / name).write_text(content, encoding="utf-8")
    typer.echo(f"{len(written)} pages are in {out}.")


def _city_with(layer: LayerDefinition) -> Catalogue:
    """Return the layers shipped, with ``layer`` in the place of one of its name."""
    city = catalogue_of(read_settings(LayersSettings))
    return replace(city, layers=MappingProxyType({**city.layers, layer.name: layer}))


def _faults(path: Path) -> list[str]:
    try:
        layer = load_model(path, LayerDefinition)
    except DefinitionError as error:
        return str(error).splitlines()
    try:
        LayerChecks(layer, _city_with(layer), {})
    except DefinitionError as error:
        return [f"{path}: {line}" for line in str(error).splitlines()]
    return []


def _geometry(layer: LayerDefinition) -> str:
    return f"{layer.geometry.type}{' z' if layer.geometry.z else ''}"


def _rules(field: FieldDefinition) -> str:
    rules = {
        "required": field.required,
        f"codes {field.codes}": field.codes,
        f"unit {field.unit}": field.unit,
        f"length ≤ {field.length}": field.length,
        f"≥ {field.min:g}" if field.min is not None else "": field.min is not None,
        f"≤ {field.max:g}" if field.max is not None else "": field.max is not None,
        f"like {field.pattern}": field.pattern,
    }
    return ", ".join(text for text, holds in rules.items() if text and holds)
