# Each of these works from a fresh clone with nothing installed: .venv is made on the way.
#   make demo      the main job on real data
#   make test      the tests (under 10 minutes on two cores)
#   make test-all  with the long ones
#   make check     format, lint, types, import rules
#   make bench     measured ratios against the plain way, into docs/benchmarks.md (half an hour)
#   make bench-quick  less of the same (five minutes)

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
FOLDERS := headstart registry storage extractors heads alembic
# Strict editable installs link files one by one, so a new file wants a new link.
FILES := $(shell find $(FOLDERS) -name '*.py' | LC_ALL=C sort | cksum | cut -d ' ' -f 1)
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=strict

.PHONY: demo test test-all check format bench bench-quick wheel clean

demo: .venv/.demo-$(FILES)
	rm -rf headstart-demo
	$(BIN)/headstart demo

test: .venv/.dev-$(FILES)
	$(BIN)/python -m pytest -m "not slow" -n auto --dist worksteal

test-all: .venv/.dev-$(FILES)
	$(BIN)/python -m pytest

check: .venv/.dev-$(FILES)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	cd build/__editable__.headstart-* && $(CURDIR)/$(BIN)/lint-imports --config $(CURDIR)/pyproject.toml

format: .venv/.dev-$(FILES)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.dev-$(FILES)
	$(BIN)/python benchmarks/run.py

bench-quick: .venv/.dev-$(FILES)
	$(BIN)/python benchmarks/run.py --quick

wheel: .venv/.dev-$(FILES)
	rm -rf dist
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

clean:
	rm -rf .venv build dist headstart-demo

.venv/bin/pip:
	$(PYTHON) -m venv .venv

.venv/.demo-$(FILES): pyproject.toml | .venv/bin/pip
	rm -rf build .venv/.demo-*
	$(INSTALL) -e '.[demo]'
	touch $@

.venv/.dev-$(FILES): pyproject.toml | .venv/bin/pip
	rm -rf build .venv/.dev-*
	$(INSTALL) -e '.[dev]'
	touch $@
