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

# Images: what `docker build` is told beside the Dockerfile. BASE where the pinned one cannot be pulled, or must not be:
# a site's own with its certificates and pip.conf; containers/debian-base makes one of Debian's packages.
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BASE ?=
IMAGE_ARGS ?=
build_image = docker build $(IMAGE_ARGS) $(if $(BASE),--build-arg BASE=$(BASE)) \
	--build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) \
	--build-arg SOURCE=$$(git remote get-url origin 2>/dev/null || true)

.PHONY: help demo test test-pythons test-slow test-containers lint docs format bench constraints audit images images-gpu \
	image-digests sbom clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 17

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

test-containers: $(DEV) ## Build the images and run them: needs docker; SYNTHSEG_IMAGE_BASE names another base
	$(BIN)/python -m pytest -m containers tests/containers $(PYTEST_ARGS)

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

# The versions that are installed here, and so were tested; what only GPU machines get is added to them.
constraints: $(DEV) ## Write all versions that any extra and CUDA need to constraints.txt
	mkdir -p build
	$(BIN)/python -m pip freeze --exclude-editable > build/installed.txt
	{ $(BIN)/python containers/requirements.py --every; echo 'tensorflow[and-cuda]'; } > build/requirements.txt
	$(BIN)/python -m pip install --quiet --dry-run --ignore-installed --report build/resolved.json \
	  -c build/installed.txt -r build/requirements.txt
	$(BIN)/python containers/lock.py build/resolved.json constraints.txt

# The file holds all that pip would install, so nothing is resolved again. Strict: what could not be looked up is no success.
audit: $(DEV) ## Look the pinned versions up among known vulnerabilities
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict --progress-spinner off $(AUDIT_ARGS)

images: ## Build all images for CPUs
	$(build_image) -f client/Dockerfile -t synthseg-client:$(VERSION) .
	for target in synthseg server bids; do \
	  name=synthseg-$$target; $(build_image) -f serving/Dockerfile --target $$target \
	    -t $${name/synthseg-synthseg/synthseg}:$(VERSION) . || exit 1; done
	$(build_image) -f generator/Dockerfile -t synthseg-generator:$(VERSION) .
	$(build_image) -f trainer/Dockerfile --build-arg TENSORFLOW_EXTRA= -t synthseg-trainer:$(VERSION)-cpu .

images-gpu: ## Build server and trainer with the libraries of CUDA
	$(build_image) -f serving/Dockerfile --target server --build-arg 'TENSORFLOW_EXTRA=[and-cuda]' \
	  -t synthseg-server:$(VERSION)-gpu .
	$(build_image) -f trainer/Dockerfile -t synthseg-trainer:$(VERSION) .

image-digests: ## Write the digests that the registries have now into the Dockerfiles
	python3 containers/digests.py

sbom: ## Copy the bills of materials of the images that are here to build/sbom/
	mkdir -p build/sbom
	for image in $$(docker images --format '{{.Repository}}:{{.Tag}}' 'synthseg*:$(VERSION)*'); do \
	  docker run --rm --network none --entrypoint cat "$$image" /opt/synthseg/sbom.cdx.json \
	    > "build/sbom/$${image//:/-}.cdx.json" || rm "build/sbom/$${image//:/-}.cdx.json"; done
	ls build/sbom


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
