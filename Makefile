# Every verb that a person needs. `make` alone prints this list.
#
#   make sync FILTER=nifty                     download, land, build, audit, publish
#   make sync FILTER=nifty SOURCE=sample       the same without a network
#   make sync FILTER=nifty,sensex SOURCE=instruments.csv.gz AS_OF=2026-08-17 DRY_RUN=1

FILTER  ?= nifty
SOURCE  ?= kite
AS_OF   ?=
DRY_RUN ?=
FORCE   ?=
TO      ?=
FOLDER  ?=
PYTHON  ?= python3
PYTEST  ?= -n auto --maxprocesses 4 --no-loadscope-reorder --durations 20

VENV      := .venv
BIN       := $(VENV)/bin
READY     := $(VENV)/.ready
WAREHOUSE := $(BIN)/warehouse

# Options that are passed on only when they are set.
as_of   = $(if $(AS_OF),--as-of '$(AS_OF)')
dry_run = $(if $(filter-out 0 false no,$(DRY_RUN)),--dry-run)
force   = $(if $(filter-out 0 false no,$(FORCE)),--force)

.DEFAULT_GOAL := help
.PHONY: help setup sync build gate export status coverage rollback backfill changes docs api-docs report up down check lint types sql test exhaustive bench wheel clean

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-10s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\n  Variables: FILTER=nifty SOURCE=kite|sample|FILE|URL AS_OF=YYYY-MM-DD DRY_RUN=1 FORCE=1 TO=N FOLDER=PATH\n'

setup: $(READY) ## virtual environment from the hashed lock file, bytecode compiled

# Written last, so that an interrupted set-up is done again.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say make PYTHON=python3.12" >&2; exit 2; }
	@echo "Setting up $(VENV) (once; about a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q -j 0 loader expectations exporters warehouse instrument_registry
	@touch $@

sync: $(READY) ## the whole way from dump to PostgreSQL, Redis and .env
	@$(WAREHOUSE) sync --filter '$(FILTER)' --source '$(SOURCE)' $(as_of) $(dry_run) $(force)

build: $(READY) ## land a dump and build the candidate; nothing is published
	@$(WAREHOUSE) build --filter '$(FILTER)' --source '$(SOURCE)' $(as_of)

gate: $(READY) ## audit the candidate as it stands
	@$(WAREHOUSE) gate

export: $(READY) ## bring Redis, .env and the JSON files to the last publication
	@$(WAREHOUSE) export $(dry_run)

status: $(READY) ## what consumers see, and whether it is safe to trade on
	@$(WAREHOUSE) status

coverage: $(READY) ## what is published of each broker, and how it matches the others
	@$(WAREHOUSE) coverage

changes: $(READY) ## what changed with the last publication, and what of it is streamed
	@$(WAREHOUSE) changes

rollback: $(READY) ## put the publication before (or TO=N) back everywhere
	@$(WAREHOUSE) rollback $(if $(TO),--to '$(TO)') $(dry_run)

backfill: $(READY) ## replay dumps named by day: FOLDER=dumps
	@$(if $(FOLDER),,echo "Say which folder: make backfill FOLDER=dumps" >&2; exit 2;) $(WAREHOUSE) backfill '$(FOLDER)' --filter '$(FILTER)' $(dry_run)

docs: $(READY) ## dbt docs of the published schema, one file
	@$(WAREHOUSE) docs

api-docs: $(READY) ## reference of the registry's Python names, pages in build/api
	@$(BIN)/python docs/build_api.py build/api

report: $(READY) ## open the last data-quality report, or print its path
	@$(WAREHOUSE) report

up: $(READY) ## start the embedded PostgreSQL and Redis
	@$(WAREHOUSE) up

down: $(READY) ## stop them
	@$(WAREHOUSE) down

check: lint types sql test exhaustive ## everything that must hold before a change is merged

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY)
	@$(BIN)/mypy

sql: $(READY)
	@WAREHOUSE_FEEDS=kite,angel_one,dhan,upstox $(BIN)/sqlfluff lint --disable-progress-bar dbt_project

test: $(READY) ## the test suite, against real servers that it starts itself
	@$(BIN)/python -m pytest -m "not exhaustive" $(PYTEST)

exhaustive: $(READY) ## more cases of what `make test` shows once, and sweeps over whole real dumps
	@$(BIN)/python -m pytest -m exhaustive $(PYTEST)

bench: $(READY) ## speed and memory, as ratios within one run
	@$(BIN)/python -m benchmarks

wheel: $(READY) ## the registry alone, for trading programs: a wheel in dist/
	@$(BIN)/python wheels/build_registry.py dist

clean: ## remove the virtual environment and caches; data under .warehouse stays
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
