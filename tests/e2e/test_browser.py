"""The page in a real browser: headless Chromium walks through it against the sample city."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, City


def walk(city: City, screenshots: Path, *options: str) -> None:
    """Run journeys of ``web/e2e``; a failed one fails the test with what it said."""
    assert (ROOT / "web" / "dist" / "index.html").is_file(), "the page is not built: make web"
    assert shutil.which("chromium"), "Chromium is missing: scripts/bootstrap.sh --tests"
    command = ["npm", "run", "e2e", "--", "--url", city.url, "--screenshots", str(screenshots)]
    walked = subprocess.run(
        [*command, *options], cwd=ROOT / "web", capture_output=True, text=True, check=False
    )
    if walked.returncode != 0 or "all journeys passed" not in walked.stdout:
        pytest.fail(f"{walked.stdout}\n{walked.stderr}")
    assert list(screenshots.glob("*.png"))


@pytest.mark.parametrize("journey", ["opens", "showsHistory", "diagnosesTiles"])
def test_all_themes_are_drawn_and_the_slider_changes_them(
    city: City, tmp_path: Path, journey: str
) -> None:
    walk(city, tmp_path, "--only", journey)


@pytest.mark.slow
def test_every_journey_through_the_page(city: City, tmp_path: Path) -> None:
    walk(city, tmp_path)
