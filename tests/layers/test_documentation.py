"""The pages of the layers are those that the definitions make today."""

from pathlib import Path

from layers.catalogue import load_catalogue
from layers.documentation import pages

FOLDER = Path(__file__).parents[2] / "docs" / "layers"


def test_every_layer_s_page_is_up_to_date() -> None:
    wanted = pages(load_catalogue())
    held = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    assert held.keys() == wanted.keys()
    stale = [name for name, content in wanted.items() if held[name] != content]
    assert stale == [], "run: onemap layers document"
