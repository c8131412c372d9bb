# `make run` and `make test` set up everything they need in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup run test perf deep lint types clean

setup: .venv/.stamp

.venv/.stamp: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "chargekit needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "setting up .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: setup
	$(BIN)/chargekit run --workers 2

test: setup
	$(BIN)/pytest -q -n 2 --dist worksteal

perf: setup
	$(BIN)/python -m tests.perf

deep: setup
	$(BIN)/python -m tests.deep --minutes 1700000 --seed 1
	HYPOTHESIS_PROFILE=deep $(BIN)/pytest -q -n 2 -m "deep or not deep"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/python ci/purity.py
	$(BIN)/python ci/ratchet.py

types: setup
	$(BIN)/mypy

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
