"""Modules are imported when something of them is asked for, and not before."""

import subprocess
import sys

import pytest

from gis.late import LateModule


def test_it_gives_what_the_module_has() -> None:
    assert LateModule("xml.dom.minidom").parseString("<a/>").documentElement.tagName == "a"


def test_it_knows_nothing_that_the_module_does_not() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = LateModule("xml.dom.minidom").no_such_name


def test_a_load_from_a_file_does_not_wait_for_libraries_it_has_no_use_for() -> None:
    seen = """
import sys
from cli.main import build_app
from etl.formats import readers
build_app("load")
readers()
print(sorted(sys.modules.keys() & {"alembic", "fastapi", "httpx", "ijson", "pgqueuer", "rasterio"}))
"""
    ran = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
