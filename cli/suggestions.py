"""Propose a mapping for a file on the command line."""

from dataclasses import replace
from pathlib import Path

from cli.city import catalogue_of
from cli.settings import read_settings
from etl.load import LoadRequest
from etl.reader import SourceOptions
from etl.settings import EtlSettings
from etl.suggest import suggest
from etl.suggest_yaml import as_yaml
from gis.crs import CrsError, resolve
from layers.errors import LoadRefused
from layers.settings import LayersSettings


def suggested(request: LoadRequest, out: Path | None) -> str:
    """Return what to print: the proposed mapping, or where it was written.

    Raises:
        OneMapError: If the file cannot be read, or the mapping not be written.
    """
    settings = read_settings(EtlSettings)
    options = SourceOptions(
        layer=request.source_layer, encoding=request.encoding, format=request.format
    )
    if request.crs is not None:
        try:
            options = replace(options, crs=resolve(request.crs))
        except CrsError as error:
            raise LoadRefused(str(error)) from error
    catalogue = catalogue_of(read_settings(LayersSettings))
    found = suggest(request.source, catalogue, settings, options, request.layer)
    text = as_yaml(found)
    if out is None:
        return text.rstrip("\n")
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LoadRefused(f"{out}: the mapping cannot be written: {error.strerror}") from error
    sure = sum(proposal.rule is not None for proposal in found.fields)
    return f"{out}: layer {found.layer.name}, {sure} fields; read it before loading with it"
