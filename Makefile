# Everything is set up in $(VENV), from nothing. `make demo` first; `make help` lists the rest.

VENV ?= .venv
BIN := $(VENV)/bin
SUITABLE := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for candidate in python3 python3.13 python3.12 python3.11; do \
	$$candidate -c '$(SUITABLE)' 2>/dev/null && echo $$candidate && break; done)

.PHONY: help demo test lint docs bench clean

help:
	@echo "make demo    train a network on real digits and look inside it"
	@echo "make test    the fast tests (no PyTorch, no GPU needed)"
	@echo "make lint    ruff, mypy and the import contracts"
	@echo "make docs    build the documentation into site/"
	@echo "make bench   time teachgrad side by side with other libraries that are installed"
	@echo "make clean   remove what these commands built, except $(VENV)"

demo: $(VENV)/.inspector
	@$(BIN)/teachgrad demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -m "not slow" --numprocesses=auto --dist=worksteal $(PYTEST)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/.test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks

clean:
	rm -rf site build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "teachgrad needs Python 3.11 or newer, and none was found as python3," \
		"python3.13, python3.12 or python3.11. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON) (once)"
	@$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras, so that only the first run and a changed pyproject.toml install anything.
$(VENV)/.inspector $(VENV)/.test $(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing teachgrad[$(EXTRAS)] into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS)]"
	@touch $@

$(VENV)/.inspector: EXTRAS := inspector
$(VENV)/.test: EXTRAS := inspector,test
$(VENV)/.dev: EXTRAS := dev
