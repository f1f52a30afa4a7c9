# Two commands from a bare machine: `make run` (the default study) and `make test`. Both are safe to repeat.
# `make test` runs the quick set (minutes on two cores), `make test-long` the long tests, `make test-all` both.
# Needs Python >= 3.11, git and make. PYTHON=python3.12 picks another interpreter, PIP_FLAGS goes to pip,
# EXTRAS=gguf leaves out what only tests and lint need.
PYTHON ?= python3
VENV ?= .venv
PIP_FLAGS ?=
EXTRAS ?= dev
BIN := $(abspath $(VENV))/bin
# Whole files go to one worker, for their fixtures, in the order that tests/conftest.py gives: the slowest first.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder
READY := $(VENV)/.ready

.PHONY: run test test-long test-all test-lowest lint install report findings clean

run: $(READY)
	@echo "==> Running the default study (config.yaml) with Snakemake on all cores"
	@PATH="$(BIN):$$PATH" JUNKDNA_MAKE_VENV="$(VENV)" snakemake --cores all --quiet host reason
	@$(BIN)/junkdna claims
	@$(BIN)/junkdna where

test: $(READY)
	@echo "==> Running the tests"
	@PATH="$(BIN):$$PATH" $(BIN)/python -m pytest $(PARALLEL)

test-long: $(READY)
	@echo "==> Running the long tests"
	@PATH="$(BIN):$$PATH" $(BIN)/python -m pytest $(PARALLEL) -m "long and not slurm"

test-all: test test-long

# The package with the oldest versions of what it depends on (torch apart), in an environment of its own.
LOWEST := $(VENV)-lowest
LOWEST_TESTS := $(addprefix tests/,analysis cli compress/methods data models run/test_cell.py storage study train) \
	tests/workflow/test_light_imports.py tests/workflow/test_dependencies.py
test-lowest:
	@test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints-lowest.txt -e ".[dev]"
	@echo "==> Running the fast tests with the lowest versions"
	@PATH="$(abspath $(LOWEST))/bin:$$PATH" python -m pytest -n 2 --dist loadfile -W ignore -m "not dag" $(LOWEST_TESTS)

lint: $(READY)
	@echo "==> Checking style and workflow"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check workflow/Snakefile rules
	@PATH="$(BIN):$$PATH" snakemake --lint

install: $(READY)

$(READY): pyproject.toml constraints.txt
	@echo "==> Setting up $(VENV) with pinned versions (the first time takes minutes: torch is large)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e ".[$(EXTRAS)]"
	@touch $(READY)

report: $(READY)
	@echo "==> Writing Snakemake's own report (figures, page, tables, rules, run times)"
	@PATH="$(BIN):$$PATH" snakemake --report results/snakemake-report.html

# No model, GPU or network: intervals, claims, figures, report and the blocks of the pages, from docs/findings.
findings: $(READY)
	@echo "==> Computing the findings again from docs/findings"
	@$(BIN)/junkdna findings docs/findings --page docs/findings.md docs/lab-study.md README.md

clean:
	@echo "==> Removing $(VENV); results/ stays"
	@rm -rf $(VENV)
