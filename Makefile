# `make` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
PY := .venv/bin/python
PY5 := .venvs/transformers5/bin/python
NEWER := ministral3 or mistral_3 or qwen3.5 or qwen3_5 or recurrent or lfm2-moe or gemma4
PIP := $(PY) -m pip --disable-pip-version-check install --quiet --no-warn-script-location
STAMP := .venv/.installed

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 10

$(STAMP)-venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is needed; try: make PYTHON=python3.12" >&2; exit 1; }
	@echo "making .venv …"
	@$(PYTHON) -m venv .venv || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(STAMP)-demo: $(STAMP)-venv pyproject.toml
	@echo "installing what the main job needs (no torch) …"
	@$(PIP) -e '.[notebook]'
	@touch $@

$(STAMP)-lab: $(STAMP)-demo
	@echo "installing JupyterLab …"
	@$(PIP) -e '.[lab,notebook]'
	@touch $@

# torch first and pinned: a bare torch would bring gigabytes of CUDA where its CPU build is preferred.
$(STAMP)-test: $(STAMP)-venv pyproject.toml
	@echo "installing what the tests need …"
	@$(PIP) torch==2.13.0
	@$(PIP) -e '.[test]'
	@$(PY) tools/transformers5.py
	@$(PY) tools/lab44.py
	@touch $@

# The tools of the front end's tests; its build alone needs fewer.
labextension/node_modules/.bin/vitest: labextension/package-lock.json $(STAMP)-test
	@echo "installing the front end's tools …"
	@cd labextension && PATH="$(CURDIR)/.venv/bin:$$PATH" npm ci --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

frontend: labextension/node_modules/.bin/vitest ## build the views, for development
	@$(PY) hatch_build.py

demo: $(STAMP)-demo ## set up, fetch the default model, run the quickstart notebook and print its answers
	@$(PY) -m llm_magics pull
	@$(PY) tools/demo.py

lab: $(STAMP)-lab ## JupyterLab on the notebooks
	@$(PY) -m jupyter lab notebooks

lint: $(STAMP)-test labextension/node_modules/.bin/vitest ## ruff, mypy, biome and tsc
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	cd labextension && PATH="$(CURDIR)/.venv/bin:$$PATH" npm run --silent lint

unit: $(STAMP)-test ## the unit tests: no model, no browser
	$(PY) -m pytest -q -n auto tests/unit

vitest: labextension/node_modules/.bin/vitest
	cd labextension && PATH="$(CURDIR)/.venv/bin:$$PATH" npm run --silent test

quick: lint unit vitest ## lint, unit tests and the front end's tests

test-model: $(STAMP)-test frontend ## the tests in kernels and on the real model
	$(PY) tools/browser.py
	$(PY) -m pytest -n 2 --dist loadfile --reruns 1 tests/kernel tests/model
	$(PY5) -m pytest --reruns 1 tests/unit/test_hostile_servers.py tests/model/test_adapter.py tests/model/test_saved_run.py tests/model/test_trainer.py
	$(PY5) -m pytest -q --reruns 1 tests/model/test_families.py tests/model/test_taps.py tests/model/test_network.py tests/model/test_slots.py tests/model/test_multimodal.py tests/model/test_recurrent.py -k "$(NEWER)"

test-browser: $(STAMP)-test frontend ## the tests in JupyterLab and Notebook, and the notebooks
	$(PY) tools/browser.py
	$(PY) -m pytest --reruns 1 tests/browser
	$(PY) -m pytest --nbval-lax --nbval-current-env notebooks

test: frontend quick test-model test-browser ## set up and pass every test there is

bench: $(STAMP)-demo ## ours beside transformers, optimum and llama.cpp; takes minutes
	$(PY) benchmarks/start.py
	$(PY) benchmarks/decode.py
	$(PY) benchmarks/larger.py
	$(PY) benchmarks/context.py
	$(PY) benchmarks/speed.py
	$(PY) benchmarks/rows.py
	$(PY) benchmarks/together.py
	$(PY) benchmarks/convert.py

binder-check: ## what Binder would do, in a clean environment: every notebook under 2 GB, with no network
	@$(PYTHON) tools/binder_check.py

clean: ## remove what was built here; the model cache stays
	rm -rf .venv .venvs build dist labextension/node_modules labextension/lib labextension/build llm_magics/static llm_magics/labextension .pytest_cache .mypy_cache .ruff_cache .hypothesis


.PHONY: help demo frontend lab lint unit vitest quick test-model test-browser test bench binder-check clean
