# The two commands a newcomer needs are `make demo` and `make test`; `make help` lists the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Node.js of .venv (from requirements-node.lock) is there only where the machine's own will not do.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

PYTHON := .venv/bin/python
PYTHON_FOLDERS := gis layers etl tiles api cli tests data benchmarks clients
SHELL_SCRIPTS := $(wildcard scripts/*.sh) .ci/run

.PHONY: help demo test test-all conformance tools check lint format types imports docker-lint shell-lint \
	web-check web lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' \
		| while IFS=$$'\t' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

demo: ## install what is missing, load the sample city, serve it on http://127.0.0.1:8000
	@scripts/bootstrap.sh
	@exec .venv/bin/onemap demo $(DEMO_FLAGS)

test: tools ## all quick tests, on a private test cluster (or ONEMAP_DATABASE_URL)
	npm --prefix web test
	$(PYTHON) -m pytest -n 2 --dist loadfile -m 'not slow' $(PYTEST_FLAGS)

test-all: tools ## all tests, the slow ones too
	npm --prefix web test
	$(PYTHON) -m pytest $(PYTEST_FLAGS)

conformance: tools ## OGC's abstract tests, and its own suites where Maven has them, against the sample city
	$(PYTHON) -m tests.conformance $(CONFORMANCE_FLAGS)

tools: ## install what is missing for tests and checks
	@scripts/bootstrap.sh --tests

check: tools lint types imports docker-lint shell-lint web-check ## every check that is not a test

lint:
	.venv/bin/ruff check $(PYTHON_FOLDERS)
	.venv/bin/ruff format --check $(PYTHON_FOLDERS)

types:
	.venv/bin/mypy

imports:
	.venv/bin/lint-imports

docker-lint:
	.venv/bin/hadolint Dockerfile

shell-lint:
	@for script in $(SHELL_SCRIPTS); do bash -n "$$script"; done

web-check:
	npm --prefix web run check

format: tools ## write the code in its standard form
	.venv/bin/ruff check --fix $(PYTHON_FOLDERS)
	.venv/bin/ruff format $(PYTHON_FOLDERS)
	npm --prefix web run format

web: ## build the web client into web/dist
	@scripts/bootstrap.sh

lock: tools ## write the lock files anew, every package at its newest allowed version
	scripts/lock.sh

clean: ## remove what was built; private clusters and .venv stay
	rm -rf build dist *.egg-info web/dist .onemap/stamps/web-build \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(PYTHON_FOLDERS) -name __pycache__ -prune \
		-exec rm -rf {} +
