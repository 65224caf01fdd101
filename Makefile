# Each target makes .venv by itself and installs what it needs there; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
# The first Python that can make an environment and that TensorFlow has wheels for.
CANDIDATES := python3.11 python3 python3.12 python3.13
SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
# Each of these is tested by `make test-pythons`, where it is on PATH or among pyenv's versions.
PYTHONS ?= 3.11 3.12 3.13
PYTHON ?= $(firstword $(foreach p,$(CANDIDATES),$(shell $(p) -c '$(SUITABLE)' >/dev/null 2>&1 && echo $(p))))

# Read before TensorFlow loads: quiet logs, and oneDNN, which halves the time on CPUs without AVX512_VNNI.
export TF_CPP_MIN_LOG_LEVEL ?= 2
export TF_ENABLE_ONEDNN_OPTS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

DEV := $(VENV)/.installed-dev
DEMO := $(VENV)/.installed-demo

.PHONY: help demo test test-pythons test-slow lint docs format bench constraints clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

demo: $(DEMO) ## Segment a real brain template, write labels, volumes and a picture to demo/output/
	$(BIN)/python demo/run.py $(DEMO_ARGS)

test: lint docs ## The whole gate: ruff, mypy, documentation, pytest without the slow tests
	$(BIN)/python -m pytest -m "not slow" $(PYTEST_ARGS)

test-pythons: ## The whole gate on every Python of PYTHONS, each in an environment of its own
	@for version in $(PYTHONS); do \
	  python=; \
	  for p in "python$$version" "$$(ls -d "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python 2>/dev/null | tail -n 1)"; do \
	    if [ -z "$$python" ] && [ -n "$$p" ] && "$$p" -c '$(SUITABLE)' >/dev/null 2>&1; then python=$$p; fi; done; \
	  if [ -z "$$python" ]; then echo "No Python $$version with the venv module found."; exit 1; fi; \
	  echo "Python $$version:"; \
	  $(MAKE) --no-print-directory test VENV=.venv-$$version PYTHON="$$python"; \
	done

test-slow: $(DEV) ## The tests that take minutes
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

lint: $(DEV) ## ruff (lint and format) and mypy; actionlint where it is installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if command -v actionlint >/dev/null; then actionlint; fi

# In seconds: the pages import no TensorFlow.
docs: $(DEV) ## Build the documentation to build/docs/, warnings as errors
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html -d build/doctrees docs build/docs
	@echo "Documentation: build/docs/index.html"

format: $(DEV) ## Rewrite the files in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV) ## Run every bench/bench_*.py and print one table
	$(BIN)/python bench/run.py $(BENCH_ARGS)

constraints: $(DEV) ## Write the versions now installed to constraints.txt
	{ sed -n '/^#/p' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable; } > constraints.tmp
	mv constraints.tmp constraints.txt

clean: ## Remove the environment and everything the targets wrote
	rm -rf $(VENV) .venv-3.* build dist demo/output .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.created:
	@if [ -z "$(PYTHON)" ]; then \
	  echo "No Python 3.11, 3.12 or 3.13 with the venv module found (tried: $(CANDIDATES))."; \
	  echo "Install one (Debian/Ubuntu: apt install python3.11 python3.11-venv) or name it: make PYTHON=/path/to/python"; \
	  exit 1; fi
	$(PYTHON) -m venv $(VENV)
	touch $@

# dev holds all that demo needs, so either stamp serves the demo.
$(DEMO): $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing into $(VENV) what the demo needs (TensorFlow included: some minutes the first time)."
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[demo]'
	touch $@

$(DEV): $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing into $(VENV) what the tests need (TensorFlow included: some minutes the first time)."
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@ $(DEMO)
