"""``onemap load --suggest``: proposes, writes, and refuses what does not go together."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import build_app
from etl.mapping import read_mapping

RUN = CliRunner()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "spots.csv"
    path.write_text("SPOT_ID,NAME,lon,lat\nS1,隐水洞,114.66,29.63\n", encoding="utf-8")
    return path


def test_a_proposal_is_printed_and_written(table: Path, tmp_path: Path) -> None:
    asked = ["load", str(table), "--crs", "EPSG:4490", "--layer", "scenic_spot", "--suggest"]
    printed = RUN.invoke(build_app(), asked)
    assert printed.exit_code == 0
    assert "layer: scenic_spot" in printed.stdout
    out = tmp_path / "m.yaml"
    written = RUN.invoke(build_app(), [*asked, "--out", str(out)])
    assert written.exit_code == 0
    assert "layer scenic_spot" in written.stdout
    assert read_mapping(out).crs == "EPSG:4490"
    assert out.read_text(encoding="utf-8").strip() == printed.stdout.strip()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--suggest", "--mapping", "m.yaml"], "--suggest proposes a mapping: give it none"),
        (["--out", "m.yaml"], "--out goes with --suggest"),
        (["--suggest", "--layer", "nope"], "there is no layer 'nope'"),
        (["--suggest", "--crs", "EPSG:nope"], "EPSG:nope"),
        (["--suggest", "--crs", "EPSG:4490", "--out", "no/such/folder.yaml"], "cannot be written"),
    ],
)
def test_what_does_not_go_together_is_refused(
    table: Path, options: list[str], message: str
) -> None:
    refused = RUN.invoke(build_app(), ["load", str(table), *options])
    assert refused.exit_code == 1
    assert message in refused.stderr
