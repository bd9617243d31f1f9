# Everything a newcomer needs: `make demo` and `make test`. Needs git, make and Python 3.11 to 3.13.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_DIR ?= .demo
DEMO_OUTPUTS ?= outputs
DEMO_ARGS ?=
TEST_WORKERS ?= 2
# A file's tests stay together: many share a service.
SIDE_BY_SIDE := -n $(TEST_WORKERS) --dist loadfile

# Compiled bytecode is left behind by the set-up whatever this says; without it each kernel would
# compile its imports again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo dev test test-slow test-cold test-connections test-fast check format bench bench-sensor browser postgres nginx r-kernel system-packages image-check clean

help:  ## Show this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

setup: $(STAMP)  ## Make .venv and install the project, pinned. Seconds when nothing changed.

$(STAMP): pyproject.toml constraints.txt scripts/setup.sh
	@PYTHON=$(PYTHON) VENV=$(VENV) sh scripts/setup.sh
	@touch $@

demo: setup  ## Run the whole product over a demo FlowAPI (ONCE=1: end when every date is done).
	@$(BIN)/autoflow demo --dir $(DEMO_DIR) --outputs $(DEMO_OUTPUTS) $(if $(ONCE),--once) $(DEMO_ARGS)

# Without a DAGSTER_HOME, Dagster would keep what is done until it ends: each start ran all dates again.
dev: setup  ## `dagster dev` on your own AUTOFLOW_INPUTS_DIR; what is done is kept in .dev.
	@export DAGSTER_HOME="$${DAGSTER_HOME:-$(CURDIR)/.dev}" && mkdir -p "$$DAGSTER_HOME" && \
		{ [ -e "$$DAGSTER_HOME/dagster.yaml" ] || cp dagster.yaml "$$DAGSTER_HOME"; } && \
		PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dagster dev -w workspace.yaml

test: setup check  ## All checks and all tests but the slow ones.
	@$(BIN)/python -m pytest -m "not slow" $(SIDE_BY_SIDE)

test-slow: setup  ## The tests in which services are broken and started again; minutes each.
	@$(BIN)/python -m pytest -m slow -n $(TEST_WORKERS) --dist worksteal

test-cold: setup  ## The tests with real processes once more, with nothing started warm.
	@AUTOFLOW_WARM_RUNS=off AUTOFLOW_WARM_KERNELS=off $(BIN)/python -m pytest -m "integration or slow" $(SIDE_BY_SIDE)

test-connections: setup  ## A thousand runs on a PostgreSQL, counting its connections (half an hour).
	@AUTOFLOW_TEST_RUNS=1000 $(BIN)/python -m pytest -s -o faulthandler_timeout=0 \
		autoflow_dagster_tests/test_up_postgres.py

test-fast: setup  ## The tests that take milliseconds.
	@$(BIN)/python -m pytest -m "not integration and not browser and not postgres and not slow"

check: setup  ## Format, lint and types.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: setup  ## Format and mend what can be mended by itself.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup  ## Benchmarks of runs and reports, side by side with bare papermill (long).
	@$(BIN)/python scripts/bench.py
	@$(BIN)/python scripts/bench_reports.py

bench-sensor: setup  ## Benchmark of the sensor's checks (long).
	@$(BIN)/python scripts/bench_sensor.py

browser:  ## Install the browser for the browser tests (Debian; root or sudo).
	@sh scripts/install_system_packages.sh chromium

postgres:  ## Install PostgreSQL for the PostgreSQL tests (Debian; root or sudo).
	@sh scripts/install_system_packages.sh postgresql

nginx:  ## Install nginx for the test of the reverse proxy (Debian; root or sudo).
	@sh scripts/install_system_packages.sh nginx-light

r-kernel:  ## Install R and its Jupyter kernel for notebooks in R (Debian; root or sudo).
	@sh scripts/install_system_packages.sh r-cran-irkernel

system-packages:  ## Install every system package that some tests need.
	@sh scripts/install_system_packages.sh chromium postgresql nginx-light r-cran-irkernel

image-check: setup  ## Execute the Dockerfile in bare Debian roots, run the example in the result (Debian; root).
	@sh scripts/install_system_packages.sh debootstrap
	@$(BIN)/python scripts/image_check.py

clean:  ## Remove what the other targets made, outputs included.
	rm -rf $(VENV) $(DEMO_DIR) $(DEMO_OUTPUTS) .dev .pytest_cache .mypy_cache .ruff_cache .hypothesis
