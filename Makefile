# Every command a developer or a build needs. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := dev,local,cli
TEST_PYTHONS := 3.11 3.12 3.13
# Processes that share the test files, each with a broker of its own.
TEST_JOBS ?= 2

# The first interpreter of a supported version; override with `make PYTHON=...`.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(STAMP) ## Create .venv with everything installed, once

$(STAMP): pyproject.toml constraints.txt
	@if [ ! -x $(BIN)/python ]; then \
		python='$(PYTHON)'; \
		if [ -z "$$python" ]; then echo "no Python 3.11, 3.12 or 3.13 found: run make PYTHON=/path/to/python3" >&2; exit 1; fi; \
		"$$python" -m venv $(VENV); \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

.PHONY: kernel
kernel: venv ## Compile the hot core with mypyc, where there is a C compiler
	@$(BIN)/python -m deploy.kernel

.PHONY: browser
browser: venv ## Install a headless Chromium for the tests of pages, where that is possible
	@$(BIN)/python -m deploy.browser

.PHONY: alertmanager
alertmanager: venv ## Install an Alertmanager for the tests of the bridge, where that is possible
	@$(BIN)/python -m deploy.alertmanager

# Heavy, and with needs of their own: each in an environment beside ours. Tests marked `clients` are skipped without them.
LANGFUSE_VERSIONS := 5.0.4 3.15.0 2.60.10
build/clients/langfuse-%/.installed: | venv
	$(BIN)/python -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check langfuse==$* openai $(if $(filter 5.%,$*),langchain langchain-openai)
	@touch $@

.PHONY: clients-langfuse
clients-langfuse: $(LANGFUSE_VERSIONS:%=build/clients/langfuse-%/.installed) ## Install Langfuse's SDKs for the tests of real clients

.PHONY: clients-promptfoo
clients-promptfoo: ## Install promptfoo for the tests of real clients (1.4 GB; needs Node 20 or later)
	@npm install --no-audit --no-fund --silent --prefix build/clients/promptfoo promptfoo@0.121.20

build/clients/litellm/.installed: tests/clients/litellm.txt pyproject.toml
	$(BIN)/python -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -c $< 'litellm[proxy]' -e .
	@touch $@

.PHONY: clients-litellm
clients-litellm: venv build/clients/litellm/.installed ## Install LiteLLM's proxy for the tests of real clients (1 GB)

.PHONY: lint
lint: venv ## Check style, types and layering
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Tools that look at what is installed stand beside it, not in it.
build/audit/.installed: Makefile
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.0 cyclonedx-bom==7.5.0
	@touch $@

.PHONY: audit
audit: build/audit/.installed ## Ask the advisory database about every dependency; an answer that is missing is a failure
	build/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict --progress-spinner off

.PHONY: sbom
sbom: venv build/audit/.installed ## List what is installed, as CycloneDX; writes build/sbom.json
	build/audit/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.json

.PHONY: test
test: lint kernel browser alertmanager ## Check and run every test, real broker included
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile

.PHONY: test-unit
test-unit: kernel ## Run the tests that need no broker
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile -m 'not kafka'

.PHONY: test-clients
test-clients: kernel clients-langfuse clients-litellm clients-promptfoo ## Install real client programs and test with them
	$(BIN)/python -m pytest -m clients tests/clients

.PHONY: test-cluster
test-cluster: venv ## Test the chart by a real Helm on a real Kubernetes API server, built once (needs Go; 8 minutes)
	$(BIN)/python -m deploy.cluster.building
	ASSAY_TEST_CLUSTER=1 $(BIN)/python -m pytest -m cluster tests/cluster

.PHONY: test-all
test-all: $(TEST_PYTHONS:%=test-on-%) ## Run every test on each supported Python that is installed

# A version manager's shim exists for versions that are not active: ask the interpreter itself, then look where pyenv keeps them.
.PHONY: $(TEST_PYTHONS:%=test-on-%)
$(TEST_PYTHONS:%=test-on-%): test-on-%:
	@python=''; \
	for candidate in python$* "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$*.*/bin/python; do \
		if "$$candidate" -c '' 2>/dev/null; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "Python $* is not installed: skipped"; exit 0; fi; \
	$(MAKE) --no-print-directory VENV=build/venv-$* PYTHON="$$python" kernel; \
	build/venv-$*/bin/python -m pytest

.PHONY: demo
demo: kernel ## Run everything on this machine and show figures appearing
	$(BIN)/python -m deploy.local.demo

.PHONY: demo-console
demo-console: kernel ## Show the console over ten weeks of a made-up company, until Ctrl-C
	@$(BIN)/python -m deploy.local.demo_console

.PHONY: screenshots
screenshots: kernel browser ## Make the pictures of docs/console.md from that demo
	$(BIN)/python -m deploy.local.pictures

.PHONY: bench
bench: kernel ## Measure throughput; writes build/bench.json
	$(BIN)/python -m tests.bench.run

.PHONY: bench-console
bench-console: kernel ## Measure the console's pages and its restart
	$(BIN)/python -m tests.bench.console

.PHONY: faults
faults: kernel ## Kill, pause and fence things while events flow; writes build/faults.json
	$(BIN)/python -m tests.faults.run

.PHONY: evaluate
evaluate: kernel ## Judge the detectors by planted episodes, beside plain rules; writes build/evaluate.json
	$(BIN)/python -m tests.evaluate.run $(EVALUATE)

.PHONY: kafka-start
kafka-start: venv ## Start a local Apache Kafka in the background
	$(BIN)/python -m deploy.local start

.PHONY: kafka-stop
kafka-stop: venv ## Stop it
	$(BIN)/python -m deploy.local stop

.PHONY: clean
clean: ## Remove the environments, build output and caches
	@if [ -x $(BIN)/python ] && [ -e $(STAMP) ]; then $(BIN)/python -m deploy.local stop; fi
	find . -name '*.so' -not -path './.venv/*' -delete
	rm -rf $(VENV) build dist assay-data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
