"""Where the real files lie that are no part of the repository."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = Path(os.environ.get("ONEMAP_REALDATA", ROOT.parent / "shared" / "realdata"))

needs_real_files = pytest.mark.skipif(
    not FILES.is_dir(), reason=f"the real files are not here: there is no folder {FILES}"
)
