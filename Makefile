# Two commands to know: `make demo` shows it, `make test` proves it.
PYTHON ?= python3
BIN := .venv/bin
ROOMS := schemas store connectors streams notifiers desk embedded commands
STAMP := .venv/installed-$(shell cat requirements-dev.lock deploy/uv.lock.txt pyproject.toml | cksum | cut -d' ' -f1)

# Where it is set, every process would compile Nightlight again, and every process of the tests all of them: 8 s each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test check bench lock contracts clean

help:  ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(STAMP)  ## build .venv from the hash-pinned lock

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Nightlight needs Python 3.11 or newer: run 'make setup PYTHON=/path/to/python3.11'."; exit 1; }
	@echo "Installing into .venv (under a minute the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@rm -f .venv/installed-*
	@$(BIN)/python -m pip install --quiet --require-hashes -r deploy/uv.lock.txt
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q nightlight.py $(ROOMS)
	@touch $(STAMP)

demo: setup  ## everything on this machine, in rehearsal: no real phone can be reached
	@$(BIN)/nightlight demo

test: setup  ## every test this machine can run, a file on each core, in the order of tests/order.py
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: setup  ## format, lint, types, import order, contracts up to date
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m deploy.contracts --check

bench: setup  ## the benchmarks: one JSON line per figure
	@$(BIN)/python -m benchmarks

lock:  ## pin every dependency again, by hash
	@$(BIN)/uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --extra embedded --extra dev -o requirements-dev.lock
	@$(BIN)/uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header -c requirements-dev.lock -o requirements.lock
	@echo uv | $(BIN)/uv pip compile -q - --universal --python-version 3.11 --generate-hashes --no-header -c requirements-dev.lock -o deploy/uv.lock.txt

contracts: setup  ## write docs/openapi.json, docs/asyncapi.yaml, docs/schemas, docs/settings.md and the boards again
	@$(BIN)/python -m deploy.contracts

clean:  ## remove what was built and what the demo kept
	rm -rf .venv .nightlight build *.egg-info
