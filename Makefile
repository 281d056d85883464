# make run       makes .venv, installs, serves the page on http://127.0.0.1:7860
# make test      makes .venv, installs, runs the checks and the quick tests (two to four minutes)
# make test-all  runs these and the longer tests (ten minutes)
# make format    formats the code
#
# With another interpreter: make run PYTHON=python3.12
# With more processes for the tests: make test WORKERS=8

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

.PHONY: run test test-all test-rest format

run: $(VENV)/installed
	$(BIN)/python app.py

test: $(VENV)/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict deploy compose.yaml
	$(PYTEST)

# The tests that `make test` leaves out.
test-rest: $(VENV)/installed-for-tests
	$(PYTEST) -m 'extended and not slow and not baseline'

test-all: test test-rest

format: $(VENV)/installed-for-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The empty files below record what is done already, so that a second call starts at once.

$(VENV)/made:
	@command -v $(PYTHON) >/dev/null || { \
		echo "$(PYTHON) was not found; install Python 3.11 or newer, or name it: make run PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, but $(PYTHON) is $$($(PYTHON) --version);" \
			"name another one: make run PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python's venv module is missing; on Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: requirements.txt $(VENV)/made
	$(PIP) install -r requirements.txt
	@touch $@

$(VENV)/installed-for-tests: requirements-dev.txt requirements-cluster.txt $(VENV)/installed
	$(PIP) install -r requirements-dev.txt
	@touch $@
