# `make verify` and `make test` do their own set-up in .venv; outside this folder nothing is touched
# but the caches.
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_FOR_BROWSER := $(VENV)/.ready-for-browser
SUITES := $(VENV)-suites
SITE := $(VENV)-site
READY_FOR_SITE := $(SITE)/.ready
WHEEL := $(VENV)-wheel
READY_FOR_SUITES := $(SUITES)/.ready
PEERS := $(VENV)-peers
READY_FOR_PEERS := $(PEERS)/.ready
INSTALL := -m pip install --quiet --disable-pip-version-check $(if $(CONSTRAINTS),-c $(CONSTRAINTS))
NO_PYTHON := bitnet needs Python 3.11 or newer; name one with 'make PYTHON=python3.12 ...'
NO_VENV := could not create $(VENV); on Debian and Ubuntu: apt install python3-venv
# A process a core, each with one thread, which two cores get through fastest.
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 4
# The library's tests often wait for a process of their own: one more than there are cores keeps
# these busy.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
PROCESSES := $(shell echo $$(($(CORES) < 4 ? $(CORES) + 1 : 5)))
# Claims are compared in the cells tagged nbval-check-output; the kernel must be this environment's.
NBVAL := --nbval-lax --nbval-current-env --nbval-cell-timeout 1800
# One line for what a cell prints at once, and no times of day.
NBCONVERT := --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False \
	--NotebookExporter.preprocessors=nbconvert.preprocessors.CoalesceStreamsPreprocessor

export JUPYTER_PREFER_ENV_PATH := 1

.DEFAULT_GOAL := help
.PHONY: help setup verify verify-gpu test test-browser test-suites test-wheel site lab bench \
	bench-peers notebooks evidence story lint format constraints clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

$(READY): pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(NO_PYTHON)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(NO_VENV)"; exit 1; }
	@echo "Installing into $(VENV): the first time takes some minutes ..."
	@$(BIN)/python $(INSTALL) -e '.[test]'
	@touch $@

setup: $(READY)  ## create the environment in .venv

verify: $(READY)  ## train three arms side by side, judge them at this scale, write a report
	@$(BIN)/bitnet verify --report-dir runs/verify $(VERIFY)

verify-gpu: $(READY)  ## on a GPU: the brief's plan, and one file to send back
	@$(BIN)/bitnet verify-gpu $(VERIFY)

# The runs that the committed notebooks take are trained by pytest's processes together, with the
# other tests; nbval loads them.
test: $(READY)  ## run the tests: of the library and the notebooks with pytest, then nbval
	@runs=$$(mktemp -d) && trap 'rm -rf "$$runs"' EXIT && export BITNET_TEST_RUNS="$$runs" \
		&& $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist worksteal \
		&& export BITNET_RUNS="$$runs" OMP_NUM_THREADS=1 \
		&& $(BIN)/python -m pytest $(SIDE_BY_SIDE) --dist loadfile $(NBVAL) notebooks

$(READY_FOR_BROWSER): $(READY)
	@$(BIN)/python $(INSTALL) -e '.[browser]'
	@touch $@

# Pictures of what was seen are left in runs/screenshots. Here a missing browser is a failure,
# elsewhere a skipped test.
test-browser: $(READY_FOR_BROWSER) site  ## open notebooks and pages in a browser: run, explore, stop, resume
	@BITNET_REQUIRE_BROWSER=1 $(BIN)/python -m pytest $(SIDE_BY_SIDE) --dist worksteal tests/browser

$(READY_FOR_SUITES): pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -m venv $(SUITES) || { echo "$(NO_VENV)"; exit 1; }
	@$(SUITES)/bin/python $(INSTALL) -e '.[suites]'
	@touch $@

# lm-eval and TransformerLens bring sixty packages that nothing else here needs: not into $(VENV).
# Nor do these tests load what the others share.
test-suites: $(READY_FOR_SUITES)  ## run docs/export.md with lm-eval and TransformerLens
	@$(SUITES)/bin/python -m pytest --confcutdir tests/suites tests/suites

$(READY_FOR_SITE): pyproject.toml
	@$(PYTHON) -m venv $(SITE) || { echo "$(NO_VENV)"; exit 1; }
	@$(SITE)/bin/python $(INSTALL) $$($(PYTHON) -c 'import tomllib; print(*tomllib.load(open( \
		"pyproject.toml", "rb"))["project"]["optional-dependencies"]["site"])')
	@touch $@

# What is stored is shown: neither the package nor torch is needed. -n -W: a link or an anchor that
# leads nowhere ends it.
site: $(READY_FOR_SITE)  ## build the site of pages, notebooks and story in build/site
	@rm -rf build/site
	@$(SITE)/bin/sphinx-build -q -n -W --keep-going -c docs/site . build/site
	@echo "build/site/index.html: the site"

# Everything anew: what an earlier environment has would hide what the wheel does not ask for.
test-wheel: $(READY)  ## build the wheel, and run it in an environment of its own and an empty folder
	@$(BIN)/python $(INSTALL) -e '.[build]'
	@rm -rf dist $(WHEEL) && $(BIN)/python -m build --outdir dist . >/dev/null
	@$(PYTHON) -m venv $(WHEEL) && $(WHEEL)/bin/python $(INSTALL) dist/*.whl
	@BITNET_WHEEL_ENVIRONMENT=$(WHEEL) $(BIN)/python -m pytest --confcutdir tests/wheel tests/wheel

lab: $(READY)  ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir . notebooks/collapse.ipynb

bench: $(READY)  ## measure the trainer against the plain reference
	@$(BIN)/python -m benchmarks.speed

$(READY_FOR_PEERS): pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -m venv $(PEERS) || { echo "$(NO_VENV)"; exit 1; }
	@$(PEERS)/bin/python $(INSTALL) -e '.[peers]'
	@touch $@

bench-peers: $(READY_FOR_PEERS)  ## measure training and decoding beside other packages
	@$(PEERS)/bin/python -m benchmarks.comparison

# A fresh folder for each, since a run that is loaded says from where.
notebooks: $(READY)  ## execute every notebook in place, to commit its outputs
	@mkdir -p runs
	@for notebook in notebooks/*.ipynb; do \
		fresh=$$(mktemp -d); echo "$$notebook ..."; \
		BITNET_RUNS="$$fresh" $(BIN)/jupyter nbconvert $(NBCONVERT) "$$notebook" \
			2>runs/notebooks.log || { tail -n 3 runs/notebooks.log; exit 1; }; \
		rm -rf "$$fresh"; done

evidence: $(READY)  ## publish finished runs of the plan in results/, and quote them in the READMEs
	@$(BIN)/bitnet evidence --publish

story: $(READY)  ## write results/story.html: the committed runs, to be scrolled through
	@$(BIN)/python -m bitnet story

lint: $(READY)  ## check the code: its format, its style, its types
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

format: $(READY)  ## format the code, and mend what can be mended
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

constraints: $(READY)  ## write down the versions installed here
	@$(BIN)/python -m pip freeze --exclude-editable | sed -E 's/\+cpu$$//' > constraints.txt

clean:  ## delete the environments (runs are kept)
	rm -rf $(VENV) $(SUITES) $(SITE) $(WHEEL) $(PEERS) build dist \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis
