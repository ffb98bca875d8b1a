# make demo   the main job on this machine
# make test   all tests, real clusters included where this machine can have them, and the floor of
#             the lines that they reach (tests/run.sh)
# make check  format, lint, types, layers (make lint: these alone) and the quick tests: a minute
# make docs   the documentation as a site, in build/docs
# make recording  docs/images/terminal.svg, of a session that a script types
# make chaos  kills, cancels and resubmits at random, for long (HPCBATCH_CHAOS_SEED=N: that run
#             again), and a shared disk that lags
# make bench  the numbers, beside peers' (ROWS="prepare element": those alone; ROWS=--write keeps
#             them in benchmarks/RESULTS.md)

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SOURCES = hpcbatch tests examples benchmarks docs/hooks.py docs/layers.py
# what starts few processes
QUICK = tests/test_public.py tests/test_wheel.py \
	$(addprefix tests/,docs words disk registry cluster drmaa_front) \
	$(addprefix --ignore=tests/cluster/test_contract,.py _endings.py)

# whose words are checked; tests misspell on purpose
WRITTEN = $(filter-out tests,$(SOURCES)) docs README.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md \
	SECURITY.md

.PHONY: demo test lint check docs recording chaos bench clean

demo: $(VENV)/demo.stamp
	$(BIN)/hpcbatch demo

test:
	BIN=$(BIN) tests/run.sh

lint: $(VENV)/dev.stamp
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell $(WRITTEN)

check: lint
	$(BIN)/python -m pytest -q -n 2 -m "not slow and not slurm and not sge" $(QUICK)

docs: $(VENV)/docs.stamp
	$(BIN)/mkdocs build --strict

recording: $(VENV)/demo.stamp
	$(PYTHON) -m venv $(VENV)-recording
	$(VENV)-recording/bin/python -m pip install --quiet --disable-pip-version-check termtosvg setuptools
	docs/recording.sh $(BIN) $(VENV)-recording/bin/termtosvg

chaos: $(VENV)/dev.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[chaos]'
	HPCBATCH_CHAOS=long MARKED= BIN=$(BIN) tests/run.sh tests/chaos tests/faults tests/real tests/acceptance \
		tests/examples tests/cluster tests/drmaa_front tests/server tests/pool

bench: $(VENV)/bench.stamp
	$(BIN)/python -m compileall -q hpcbatch
	$(BIN)/python benchmarks/run.py $(ROWS)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("hpcbatch needs Python 3.10 or newer: make PYTHON=python3.11 ...") if sys.version_info < (3, 10) else 0'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade --disable-pip-version-check pip # Python's own is slow

$(VENV)/demo.stamp: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	touch $@

$(VENV)/docs.stamp: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	touch $@

# pip compiles with one core; some packages carry files that are not meant to be compiled; setuptools
# would load into every process
$(VENV)/dev.stamp: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -e '.[dev]'
	$(BIN)/python -m pip uninstall --quiet --yes --disable-pip-version-check setuptools
	-$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib
	touch $@

$(VENV)/bench.stamp: $(VENV)/dev.stamp
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --disable-pip-version-check \
		submitit clusterfutures jug numpy distributed parsl executorlib pyzmq
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-peers $(VENV)-recording dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
