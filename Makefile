# Each of these works from a fresh clone with nothing installed: .venv is made on the way, and with
# PYTHON=python3.13 (3.11, 3.12 and 3.13 are tested) an environment of that version's own.
#   make demo      the main job on real data
#   make test      the tests (under 10 minutes on two cores)
#   make quick     a part of them that touches everything (three minutes)
#   make test-all  with the long ones
#   make check     format, lint, types, import rules, plain words
#   make docs      the pages and the API reference as HTML, searchable offline, into site/
#   make schemas   docs/schemas.json, of what --json prints, from the classes of the results
#   make bench     measured ratios against the plain way and other libraries, into docs/benchmarks.md (an hour)
#   make bench-quick  what a user feels of it (five minutes)

# A name on the PATH is not yet a Python that runs: pyenv has names for all that it ever knew.
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3; do \
	$$each -c '' 2>/dev/null && command -v $$each && break; done)
VERSION = import sys; print("%d.%d" % sys.version_info[:2])
ASKED := $(shell $(PYTHON) -c '$(VERSION)')
HAS := $(shell .venv/bin/python -c '$(VERSION)' 2>/dev/null)
# .venv is that of the first `make`; another version asked for has its own beside it.
VENV := $(if $(filter-out file default,$(origin PYTHON)),$(if $(filter-out $(HAS),$(ASKED)),.venv-$(ASKED),.venv),.venv)
BIN := $(VENV)/bin
# One process of the tests more than there are cores, as one or another waits: for a disk, a server,
# a process that it killed. Threads of BLAS beside them would only wait for each other.
TESTERS := $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
TOGETHER := OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n $(TESTERS) --dist worksteal
QUICK := tests/cli tests/registry tests/storage tests/extractors/cache tests/extractors/datasets \
	tests/extractors/run tests/extractors/backbones/test_sources.py tests/extractors/backbones/test_lite.py \
	tests/extractors/backbones/test_saved_models.py tests/extractors/preprocessing \
	tests/heads/test_heads.py tests/heads/test_tasks.py tests/reliability/test_disk_errors.py
FOLDERS := headstart registry storage extractors heads alembic
# Strict editable installs link files one by one, so a new file wants a new link.
FILES := $(shell find $(FOLDERS) -name '*.py' | LC_ALL=C sort | cksum | cut -d ' ' -f 1)
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=strict

.PHONY: schemas demo test quick test-all check docs format bench bench-quick wheel clean

demo: $(VENV)/.demo-$(FILES)
	rm -rf headstart-demo
	$(BIN)/headstart demo

test: $(VENV)/.dev-$(FILES)
	$(TOGETHER)

quick: $(VENV)/.dev-$(FILES)
	$(TOGETHER) $(QUICK)

test-all: $(VENV)/.dev-$(FILES)
	$(BIN)/python -m pytest

check: $(VENV)/.dev-$(FILES)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/codespell README.md CONTRIBUTING.md SECURITY.md CHANGELOG.md docs $(FOLDERS)
	$(BIN)/python tests/words.py
	cd build/__editable__.headstart-* && $(CURDIR)/$(BIN)/lint-imports --config $(CURDIR)/pyproject.toml

format: $(VENV)/.dev-$(FILES)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: $(VENV)/.dev-$(FILES)
	$(BIN)/python tests/json_schemas.py

docs: $(VENV)/.dev-$(FILES)
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs site

bench: $(VENV)/.dev-$(FILES)
	$(BIN)/python benchmarks/run.py

bench-quick: $(VENV)/.dev-$(FILES)
	$(BIN)/python benchmarks/run.py --quick

wheel: $(VENV)/.dev-$(FILES)
	rm -rf dist
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

clean:
	rm -rf .venv .venv-* build dist headstart-demo site

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo-$(FILES): pyproject.toml | $(BIN)/pip
	rm -rf build $(VENV)/.demo-*
	$(INSTALL) -e '.[demo,ui]'
	touch $@

$(VENV)/.dev-$(FILES): pyproject.toml | $(BIN)/pip
	rm -rf build $(VENV)/.dev-*
	$(INSTALL) -e '.[dev]'
	touch $@
