"""The page in a real browser: headless Chromium walks through it against the sample city."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, City


def test_the_page_in_chromium(city: City, tmp_path: Path) -> None:
    assert (ROOT / "web" / "dist" / "index.html").is_file(), "the page is not built: make web"
    assert shutil.which("chromium"), "Chromium is missing: scripts/bootstrap.sh --tests"
    walked = subprocess.run(
        ["npm", "run", "e2e", "--", "--url", city.url, "--screenshots", str(tmp_path)],
        cwd=ROOT / "web",
        capture_output=True,
        text=True,
        check=False,
    )
    if walked.returncode != 0:
        pytest.fail(f"{walked.stdout}\n{walked.stderr}")
    assert "all journeys passed" in walked.stdout
    assert list(tmp_path.glob("*.png"))
