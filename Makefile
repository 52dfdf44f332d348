# Everything a person or CI runs. Needs Python 3.11+ and make; Java 17+ and Maven are used when they are there.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ROUNDS ?= 20
CHAOS  := $(VENV)/chaos.jsonl

.DEFAULT_GOAL := help
.PHONY: help install check format lint types imports unit test integration containers demo chaos bench pins clean

help: ## Show what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(STAMP) ## Create .venv with everything pinned by hash (about 1.2 GB, a minute)

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) is older than 3.11. Install Python 3.11+ or say make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) has no venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@echo "make: installing into $(VENV) (about 1.2 GB, chdb is most of it)" >&2
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

check: format lint types imports unit ## Format, lint, types, import rules, unit and contract tests

format: $(STAMP)
	$(BIN)/ruff format --check .

lint: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

unit: $(STAMP)
	$(BIN)/pytest tests/unit tests/contract

test: $(STAMP) ## All tests on the dev stack
	$(BIN)/pytest

integration: $(STAMP) ## Only the tests that need servers
	$(BIN)/pytest tests/integration tests/e2e

containers: $(STAMP) ## The tests that start containers, all of docker-compose.yml included (needs a Docker engine)
	INGEST_TEST_COMPOSE=1 $(BIN)/pytest -m containers

demo: $(STAMP) ## Real data from connectors through Kafka into ClickHouse
	@$(BIN)/ingest demo $(if $(JSON),--json) $(if $(KEEP),--keep $(KEEP))

chaos: $(STAMP) ## Kills in all rounds, and what they left (JSON=1 for one list); needs Java and Maven
	@rm -f $(CHAOS)
	@INGEST_DEV_BROKER=kafka INGEST_TEST_CHAOS_ROUNDS=$(ROUNDS) INGEST_TEST_CHAOS_REPORT=$(CHAOS) \
	  $(BIN)/pytest -q tests/integration/chaos >&2; code=$$?; \
	  $(BIN)/python -m tests.integration.chaos.report $(CHAOS) $(if $(JSON),--json) && exit $$code

bench: $(STAMP) ## Speed and memory beside what people use instead (JSON=1 for one object)
	@$(BIN)/python -m benchmarks $(if $(JSON),--json)

COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-header --quiet

pins: ## Compile requirements/*.txt anew (needs uv); demo.txt is kept by hand
	$(COMPILE) pyproject.toml -o requirements/core.txt
	$(COMPILE) requirements/build.in -o requirements/build.txt
	$(COMPILE) pyproject.toml requirements/build.in --extra dev --extra demo --extra test -o requirements/dev.txt

clean: ## Remove the environment and the caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
