# Everything sets itself up in .venv, on a machine with Python 3.11 or newer, its venv module, and make.
#   make demo    the gate, an OpenID provider and a stand-in Jira on this machine, with a link to click
#   make test    all tests and checks; what this machine lacks is named as skipped
#   make check   format, lint, types, import contracts
#   make bench   beside nginx and other gateways on this machine; writes docs/benchmarks.md

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080
WORKERS ?= 4

.PHONY: demo test check format bench lock docs clean setup

demo: $(VENV)/.run
	@$(BIN)/lychgate demo --port $(PORT)

test: setup check
	@$(BIN)/python -m tests.e2e.install || echo "Without Node.js the tests with a real OpenID provider are skipped."
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy -p sidecar
	@$(BIN)/lint-imports

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup
	@$(BIN)/python -m tests.e2e.install || echo "Without Node.js nobody can be signed in."
	@$(BIN)/python -m tests.bench.install || true
	@$(BIN)/python -m tests.bench $(ARGS)

# What the image installs, hashed; after every change of the dependencies or of constraints.txt.
lock: setup
	@$(BIN)/python image/lock.py

docs: setup
	@$(BIN)/python -m sidecar.config.reference > docs/configuration.md
	@$(BIN)/python -m sidecar.web.texts > docs/reasons.md
	@$(BIN)/python -m sidecar.config.chart > helm/lychgate/values.schema.json

setup: $(VENV)/.dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || (echo "Lychgate needs Python 3.11 or newer; name one: make PYTHON=python3.12" && exit 1)
	@$(PYTHON) -m venv $(VENV) || (echo "Python's venv module is missing; on Debian: apt install python3-venv" && exit 1)

$(VENV)/.run: $(BIN)/python pyproject.toml
	@echo "Setting up $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[demo]"
	@touch $@

$(VENV)/.dev: $(VENV)/.run constraints.txt
	@$(BIN)/python -m pip install --quiet -c constraints.txt --group dev
	@touch $@

clean:
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
