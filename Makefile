# `make demo` and `make test` need a python3 >= 3.11 and nothing else; the rest builds on what they set up.
PYTHON ?= python3
VENV := .venv
BENCH := .venv-bench
BIN := $(VENV)/bin
ARGS ?=

# Nothing from outside the environment gets in, whatever the caller's shell has set.
unexport PYTHONPATH PYTHONHOME PYTHONUSERBASE PIP_USER PIP_TARGET PIP_PREFIX VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check bench chaos docs format clean
# Recipes that fail half-way leave no stamp behind.
.DELETE_ON_ERROR:

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

# One environment; three stamps, so the demo doesn't wait for the tools of the tests, nor the tests for those of the docs.
define make_venv
	@python=$$(PYTHON="$(PYTHON)" .ci/find-python) && \
	{ $(1)/bin/python -c 'import pip' 2>/dev/null || "$$python" -m venv --clear $(1); }
endef

$(VENV)/.core: setup.cfg pyproject.toml
	$(call make_venv,$(VENV))
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/.docs: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

$(BENCH)/.ready: setup.cfg pyproject.toml
	$(call make_venv,$(BENCH))
	$(BENCH)/bin/python -m pip install --quiet --editable .
	@# One at a time: a peer that can't be installed costs its own row, not the whole table.
	@for peer in 'celery[redis]' 'dramatiq[redis]' huey 'taskiq[zmq]' taskiq-redis; do \
		$(BENCH)/bin/python -m pip install --quiet "$$peer" || echo "could not install $$peer" >&2; done
	@touch $@

demo: $(VENV)/.core  ## count the tokens of the standard library while a worker process is killed
	$(BIN)/python -m examples.corpus $(ARGS)

# Two at a time: most tests wait for processes to start. A file's tests stay together.
test: $(VENV)/.dev  ## run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(VENV)/.docs  ## format, lint, types, floors, docs, dead links
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/python .ci/check_links.py

bench: $(BENCH)/.ready  ## measure actorq beside its peers (ARGS=--short for a smoke run)
	$(BENCH)/bin/python -m benchmarks.run $(ARGS)

chaos: $(VENV)/.dev  ## kill things at random and check that nothing is lost
	ACTORQ_CHAOS=long $(BIN)/python -m pytest tests/chaos -s $(ARGS)

docs: $(VENV)/.docs  ## build the documentation into docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo docs/_build/html/index.html

format: $(VENV)/.dev  ## put every file into the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove environments, caches and built pages
	rm -rf $(VENV) $(BENCH) build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf -- *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
