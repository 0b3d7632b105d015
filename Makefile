# Everything runs in .venv, which the first verb that needs it creates and fills.
PYTHON ?= $(firstword $(shell command -v python3.11) $(shell command -v python3) python3)
# Extra words for pip when it fetches torch, for instance: make test TORCH_ARGS="--index-url https://download.pytorch.org/whl/cpu"
TORCH_ARGS ?=
# Processes that pytest may use, and what else to tell it: make test ARGS="-k layering", make test ARGS="--seed 7"
WORKERS ?= 2
ARGS ?=

BIN := .venv/bin
READY := .venv/.ready
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
# One thread for each process: two processes that start two threads each take four times as long.
RUN := PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false

.DEFAULT_GOAL := help
.PHONY: help demo test export docs lab bench clean

help: ## these lines
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "%-12s %s\n", $$1, $$2}'

demo: $(READY) ## train two models on built-in data, print and draw what they find, and where their words look
	@HF_HUB_OFFLINE=1 $(BIN)/itr train dual-emoji --out runs/demo --overwrite
	@HF_HUB_OFFLINE=1 $(BIN)/itr search runs/demo "an old building" --split test
	@HF_HUB_OFFLINE=1 $(BIN)/itr train sgraf-saf-scenes --out runs/demo-saf --overwrite
	@HF_HUB_OFFLINE=1 $(BIN)/itr show runs/demo-saf "a yellow lemon and a grey radio" --out runs/demo-saf/lemon.html

test: $(READY) ## run every test: code, pages and their outputs, mutants, wheel, site in a browser
	@$(BIN)/python tools/browser.py --install
	@$(RUN) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

export: $(READY) ## from the notebooks, write the package, the exported tests, the sidebar and README.md
	@$(RUN) $(BIN)/python tools/export.py

docs: $(READY) ## build the site into _docs, without a network at view time
	@$(RUN) $(BIN)/python tools/build_docs.py

lab: $(READY) ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab nbs

bench: $(READY) ## run the benchmarks
	@$(RUN) $(BIN)/python -m benchmarks

clean: ## remove what the other verbs made, the environment included
	rm -rf .venv _docs _proc build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(READY): pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit("itr_nb needs Python 3.11 or newer; $(PYTHON) is "+sys.version.split()[0]) if sys.version_info<(3,11) else None'
	@echo 'environment: .venv, from $(PYTHON)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --upgrade $$(grep -E '^(setuptools|wheel|pip)==' requirements-dev.txt)
	@echo 'environment: torch (first and alone, so that nothing else chooses its build)'
	@$(PIP) $(TORCH_ARGS) $$(grep '^torch==' requirements-dev.txt)
	@echo 'environment: the rest of requirements-dev.txt (some minutes the first time)'
	@$(PIP) -r requirements-dev.txt
	@$(PIP) --no-build-isolation --no-deps -e .
	@touch $@
