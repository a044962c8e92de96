"""A page of documentation for each layer, made from its definition alone."""

import json
from collections.abc import Iterable

from layers.catalogue import Catalogue
from layers.definition import CheckDefinition, FieldDefinition, LayerDefinition

_YES, _NO = "✓", ""


def layer_page(layer: LayerDefinition, catalogue: Catalogue) -> str:
    """Return the Markdown page of one layer, in Chinese and English."""
    geometry = f"{layer.geometry.type}{' Z' if layer.geometry.z else ''}"
    if layer.geometry.coverage:
        geometry += " (coverage: no gap, no overlap)"
    facts = [
        ("Layer", f"`{layer.name}`"),
        ("Theme", layer.theme.value),
        ("Geometry", geometry),
        ("Business key", ", ".join(f"`{name}`" for name in layer.key)),
        ("Standard", layer.standard or "–"),
        ("Provider", f"{layer.provider.zh} / {layer.provider.en}" if layer.provider else "–"),
        ("Sharing / opening", f"{layer.access.share} / {layer.access.open}"),
        ("In tiles from zoom", str(layer.tiles.min_zoom)),
    ]
    lines = [
        f"# {layer.title.zh} / {layer.title.en}",
        "",
        layer.abstract.zh,
        "",
        layer.abstract.en,
        "",
        "| | |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in facts),
        "",
        "| Field | 名称 | Name | Type | Unit | Required | Values | Delivered as |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_field_row(field, catalogue) for field in layer.fields),
        "",
        *_checks(layer),
    ]
    return "\n".join(lines)


def _checks(layer: LayerDefinition) -> list[str]:
    """Return what the layer's surveys are checked for, beside the fields' own rules."""
    if not layer.checks:
        return []
    return [
        "## 检查 / Checks",
        "",
        "An error refuses the row, a warning is counted; the [kinds](../checks.md) say what each "
        "looks at.",
        "",
        "| Check | 检查 | What it asks | Kind | Severity | Parameters | When | Source |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_check_row(check) for check in layer.checks),
        "",
    ]


def _check_row(check: CheckDefinition) -> str:
    given = json.dumps(check.parameters, ensure_ascii=False) if check.parameters else ""
    severity = check.severity if check.enabled else f"{check.severity} (off)"
    cells = [
        f"`{check.name}`",
        check.title.zh,
        check.title.en,
        f"`{check.rule}`",
        severity,
        f"`{given}`" if given else "",
        f"`{check.when}`" if check.when else "",
        check.source,
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _field_row(field: FieldDefinition, catalogue: Catalogue) -> str:
    length = f"({field.length})" if field.length else ""
    cells = [
        f"`{field.name}`",
        field.title.zh,
        field.title.en,
        f"{field.type}{length}",
        field.unit or "",
        _YES if field.required else _NO,
        "; ".join(_values(field, catalogue)),
        ", ".join(f"`{alias}`" for alias in field.aliases),
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _values(field: FieldDefinition, catalogue: Catalogue) -> Iterable[str]:
    if field.codes:
        codes = catalogue.code_list(field.codes)
        yield f"`{field.codes}` ({codes.scheme}, {codes.edition})"
    if field.pattern:
        yield f"`{field.pattern}`"
    if field.min is not None or field.max is not None:
        low = "" if field.min is None else f"{field.min:g}"
        high = "" if field.max is None else f"{field.max:g}"
        yield f"{low} … {high}"


def index_page(catalogue: Catalogue) -> str:
    """Return the Markdown list of all layers, by theme."""
    lines = ["# Layers", "", "Made from `layers/definitions/` by `onemap layers document`.", ""]
    lines += ["| Theme | Layer | 名称 | Name | Geometry |", "| --- | --- | --- | --- | --- |"]
    ordered = sorted(catalogue.layers.values(), key=lambda layer: (layer.theme, layer.name))
    lines += [
        f"| {layer.theme} | [`{layer.name}`]({layer.name}.md) | {layer.title.zh} "
        f"| {layer.title.en} | {layer.geometry.type}{' Z' if layer.geometry.z else ''} |"
        for layer in ordered
    ]
    return "\n".join([*lines, ""])


def pages(catalogue: Catalogue) -> dict[str, str]:
    """Return file name → content of the whole folder ``docs/layers``."""
    found = {f"{name}.md": layer_page(layer, catalogue) for name, layer in catalogue.layers.items()}
    return {"index.md": index_page(catalogue), **found}
