# make run starts everything; make test checks everything. Both install what they need into .venv.

# A shell may have these for other programs.
unexport PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONWARNINGS PYTHONOPTIMIZE PYTHONINSPECT DJANGO_SETTINGS_MODULE
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV

PYTHON ?= python3.11
BIN := .venv/bin
PINS := pyproject.toml constraints.txt requirements/embedded.txt requirements/select.py
TSC := $(BIN)/node node_modules/typescript/bin/tsc
BIOME := $(BIN)/node node_modules/@biomejs/biome/bin/biome
INSTALL := $(BIN)/pip install --quiet --constraint constraints.txt
# The CPU build of torch is a tenth of the size. Where its index is out of reach, PyPI's build does.
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
TORCH_INDEX := --retries 0 --timeout 20 --extra-index-url https://download.pytorch.org/whl/cpu

.PHONY: run test test-fast test-javascript lint format bench bench-chat bench-ingest bench-reading bench-retrieval bench-engine bench-backup bench-year chaos chaos-ingest lock vendor clean

run: .venv/installed
	@$(BIN)/python -m ragsite.embedded

# Two processes, as many as CI has cores: most tests wait for something most of the time. With servers named in
# DATABASE_URL and REDIS_URL say AT_ONCE=0: what the processes send through one Valkey would mix.
AT_ONCE ?= 2
test: .venv/installed-test lint test-javascript
	$(BIN)/pytest -n $(AT_ONCE) --dist loadfile

test-fast: .venv/installed-test lint test-javascript
	$(BIN)/pytest -m unit -n $(AT_ONCE) --dist loadfile

test-javascript: node_modules/installed
	$(BIN)/node --test --test-reporter=dot "tests/javascript/*.test.js"

lint: .venv/installed-test node_modules/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/djlint --lint templates
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(TSC)
	$(BIOME) check --error-on-warnings

format: .venv/installed-test node_modules/installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIOME) check --write

# Results go to benchmarks/results/. DATA names a directory of test collections: benchmarks/quotes.py says which.
bench: bench-chat
	$(if $(DATA),$(BIN)/python -m benchmarks.quotes --data $(DATA))

# What the chat costs beside a relay that stores nothing. Some six minutes, on a machine that does nothing else.
bench-chat: .venv/installed-test
	$(BIN)/python -m benchmarks.chat

# Half an hour and more, with the real embedding model and both parsers.
bench-reading: .venv/installed-test
	$(BIN)/python -m benchmarks.parsing --data $(DATA)
	$(BIN)/python -m benchmarks.chunking --data $(DATA)

# Some ten minutes. TURNS=100 for less.
TURNS ?= 1000
chaos: .venv/installed-test
	$(BIN)/python -m benchmarks.chaos --turns $(TURNS)

# Hours the first time, which embeds all collections on this machine; minutes afterwards. DATA as above.
CACHE ?= build/vectors
bench-retrieval: .venv/installed-test
	$(BIN)/python -m benchmarks.retrieval --data $(DATA) --cache $(CACHE)

# A quarter of an hour; with MANY=1000000 a million chunks instead, an hour and 12 GB of disk.
bench-engine: .venv/installed-test
	$(BIN)/python -m benchmarks.engine $(if $(MANY),--many $(MANY))

# Some minutes: a backup while 20 people ask and 60 documents come in, restored elsewhere.
bench-backup: .venv/installed-test
	$(BIN)/python -m benchmarks.backup

# A year of use in some ten minutes. SCALE=0.1 for less.
SCALE ?= 1
bench-year: .venv/installed-test
	$(BIN)/python -m benchmarks.year --scale $(SCALE)

# Half an hour; SIZE=short takes ten minutes. DATA names a directory with files to ingest, besides this project's own.
SIZE ?= full
bench-ingest: .venv/installed-test
	$(BIN)/python -m benchmarks.ingest $(if $(DATA),--data $(DATA)) --size $(SIZE)

# Some ten minutes. DATA names a directory with files to ingest, besides this project's own.
DOCUMENTS ?= 200
chaos-ingest: .venv/installed-test
	$(BIN)/python -m benchmarks.chaos_ingest $(if $(DATA),--data $(DATA)) --documents $(DOCUMENTS)

# After a change of pyproject.toml, in an environment that passes the tests.
lock: .venv/installed-test
	@sed -n 's/==.*//p' requirements/embedded.txt | grep -v '^#' | sed 's/[-_.]/[-_.]/g' > .venv/hashed
	{ echo "# Every package, at the version that was tested. Made by: make lock"; \
	  $(BIN)/pip freeze --all | grep -v -i -E "^(pip|setuptools|wheel)==|^-e|@ file" \
	  | sed 's/+cpu$$//' | grep -v -i -E -f .venv/hashed; } > constraints.new
	mv constraints.new constraints.txt

# Builds the modules in static/vendor that browsers load, from the packages pinned in vendor/package.json. They are
# committed, so only a change of a version needs this.
vendor: .venv/installed-test
	$(BIN)/npm ci --prefix vendor --ignore-scripts --no-audit --no-fund --loglevel=error
	$(BIN)/node vendor/build.mjs

# Your documents and chats are in .ragsite; delete that yourself.
clean:
	rm -rf .venv node_modules vendor/node_modules build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -not -path './.ragsite/*' -prune -exec rm -rf {} +

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "Ragsite needs Python 3.11. Install it, or: make run PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet pip==25.3  # an older one resolves for minutes, and wrongly

.venv/installed: $(PINS) | .venv/bin/python
	@echo "Installing what Ragsite needs. The first time this takes some minutes."
	$(BIN)/pip install --quiet $(TORCH_INDEX) $(TORCH) || $(BIN)/pip install --quiet $(TORCH)
	$(BIN)/python requirements/select.py embedded serving layout > .venv/requirements.txt
	$(INSTALL) --requirement .venv/requirements.txt
	$(BIN)/pip install --quiet --no-deps --require-hashes --requirement requirements/embedded.txt
	@touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python requirements/select.py test > .venv/requirements-test.txt
	$(INSTALL) --requirement .venv/requirements-test.txt
	@touch $@

# Only what checks the scripts in static/js: they run in the browser as they are. Node comes from PyPI.
node_modules/installed: package.json package-lock.json | .venv/installed-test
	@$(BIN)/npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --loglevel=error || { echo "$(NO_NPM)"; exit 1; }
	@touch $@
NO_NPM := TypeScript, Biome and axe-core, which check the pages and their scripts, could not be fetched from the npm registry. \
  Name a mirror of it: make test NPM_CONFIG_REGISTRY=https://... Or copy node_modules/ from another checkout.
