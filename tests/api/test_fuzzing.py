"""Schemathesis over the API definition: whatever it asks, no failure and nothing undescribed."""

import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from api.settings import ApiSettings
from layers.catalogue import Catalogue
from layers.store import Store
from tests.api.town import HERE, fill, serving, wait_until_ready
from tests.database import copied_database

ROOT = Path(__file__).parents[2]
TOKEN = "a token for tests"  # noqa: S105
#: What is looked at. Left out: ``positive_data_acceptance`` (a definition cannot say which layers
#: have which fields), ``unsupported_method`` (``/collections/catalogue/items`` is one of
#: ``/collections/{layer}/items``, which takes more), and what needs several requests in order.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "allow_header_conformance",
)
_SETTINGS = f'hooks = "{(HERE / "fuzz_hooks.py").as_posix()}"\n'


@pytest.fixture(scope="module")
def open_town(
    cluster: str,
    postgis_template: str,
    catalogue: Catalogue,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A town of its own, since edits and loads come of it: one token is good for both."""
    editors = tmp_path_factory.mktemp("fuzz") / "editors"
    editors.write_text(f"fuzz: {sha256(TOKEN.encode()).hexdigest()}\n")
    with copied_database(cluster, postgis_template) as database:
        store = Store(database, catalogue)
        store.migrate()
        fill(store, catalogue)
        store.close()
        settings = ApiSettings(
            default_map="town",
            web_root=HERE / "no-such-folder",
            api_token=SecretStr(TOKEN),
            edit_tokens=editors,
        )
        with serving(settings, database, catalogue) as address:
            with httpx.Client(base_url=address) as client:
                wait_until_ready(client)
            yield address


def fuzz(address: str, folder: Path, *flags: str) -> None:
    """Run Schemathesis; what it found is the failure's message."""
    (folder / "schemathesis.toml").write_text(_SETTINGS)
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        *("--config-file", str(folder / "schemathesis.toml")),
        *("run", f"{address}/api/openapi.json", "--checks", ",".join(CHECKS)),
        *("--header", f"Authorization: Bearer {TOKEN}", "--no-shrink", "--continue-on-failure"),
        *flags,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout[:20_000] + done.stderr[-5_000:]


def test_a_short_run_finds_nothing(open_town: str, tmp_path: Path) -> None:
    fuzz(open_town, tmp_path, "--seed", "1", "--max-examples", "5", "--phases", "fuzzing")


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["7", "8"])
def test_a_long_run_finds_nothing(open_town: str, tmp_path: Path, seed: str) -> None:
    phases = "examples,coverage,fuzzing"
    fuzz(open_town, tmp_path, "--seed", seed, "--max-examples", "30", "--phases", phases)
