# The verbs of this project. Each works in a clean clone: it makes `.venv` and installs what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SERVERS := $(VENV)/.servers
EDITOR := $(VENV)/.editor

# The tests start hundreds of our processes: byte code is kept, or each of them would compile us again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo check test knockout fuzz raw soak faults bench loadtest profile clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

# What a bare Debian lacks: its Python comes without venv. Tests run the curl commands that `guard sign` prints.
APT := apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq
HAS_VENV := $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null

$(INSTALLED): pyproject.toml
	@$(HAS_VENV) || { $(APT) python3-venv; }
	@command -v curl >/dev/null || { $(APT) curl; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# Debian starts what it installs, unless policy-rc.d says no: the tests start their own, and leave none running.
NOT_STARTED := /usr/sbin/policy-rc.d
HAS_SERVERS := { command -v redis-server && ls /usr/lib/postgresql/*/bin/postgres && command -v systemd-analyze; } >/dev/null 2>&1

$(SERVERS): $(INSTALLED)
	@$(HAS_SERVERS) || { \
		test -e $(NOT_STARTED) || { trap 'rm -f $(NOT_STARTED)' EXIT && \
			printf '#!/bin/sh\nexit 101\n' >$(NOT_STARTED) && chmod +x $(NOT_STARTED); }; \
		$(APT) redis-server postgresql systemd; }
	@touch $@

# What the test of the JSON Schema opens policies with, as an editor does.
$(EDITOR): $(INSTALLED)
	@command -v npm >/dev/null || { $(APT) --no-install-recommends nodejs npm; }
	npm install --silent --no-audit --no-fund --prefix $(VENV)/editor yaml-language-server@1.25.0
	@touch $@

demo:  ## gateway on 127.0.0.1:8080 before a demo exchange on 8081; ends with Ctrl-C
	@test -x $(BIN)/guard || $(HAS_VENV) || { $(APT) python3-venv; }
	@test -x $(BIN)/guard || { $(PYTHON) -m venv $(VENV) && echo "installing guard into $(VENV) …" && \
		$(BIN)/pip install --quiet --disable-pip-version-check --editable .; }
	@$(BIN)/guard dev

check: $(INSTALLED)  ## format, lint, types, layers and the tests without real servers: under a minute
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -m 'not system' -n auto

test: $(INSTALLED) $(SERVERS) $(EDITOR)  ## everything: also real servers on free ports of 127.0.0.1
	$(BIN)/pytest -m 'not system' -n auto
	$(BIN)/pytest -m 'system and not alone' -n 2 --dist loadfile
	$(BIN)/pytest -m 'system and alone'

knockout: $(INSTALLED)  ## take out each check, condition and reason in turn; each must turn a test red
	$(BIN)/python tests/knockout.py

fuzz: $(INSTALLED)  ## the hypothesis tests with 20 times the examples, newly drawn: some minutes
	GUARD_FUZZ=1 $(BIN)/pytest -m 'hypothesis and not system' -n auto

raw: $(INSTALLED)  ## the raw HTTP attacks of ../shared/rawhttp against guard serve
	$(BIN)/python -m tests.raw.run --slow

soak: $(INSTALLED) $(SERVERS)  ## the long runs against guard serve, 20 minutes; RUN="overload aborts" takes only these
	$(BIN)/python -m tests.soak.run $(RUN)

faults: $(INSTALLED) $(SERVERS)  ## the fault runs on real Redis and PostgreSQL: SEEDS=50 RUN="storm failover" KNOCKOUT=1
	$(BIN)/python -m tests.faults.run $(RUN) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(KNOCKOUT),--knockout)

bench: $(INSTALLED)  ## what a request costs, beside other gateways; PROFILE=real|desk ROUNDS=5 SECONDS=5 PEERS=nginx-lua,envoy STATE=redis
	@$(BIN)/python -m loadtests.bench.run $(if $(PROFILE),--profile $(PROFILE)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(PEERS),--peers $(PEERS)) $(if $(STATE),--state $(STATE)) \
		$(if $(DOCUMENT),--document $(DOCUMENT))

loadtest: $(INSTALLED)  ## a scenario against a gateway of its own, and a verdict: SCENARIO=replay_storm DURATION=20s PROCESSES=2
	@$(BIN)/guard loadtest run $(or $(SCENARIO),steady) $(if $(DURATION),--duration $(DURATION)) \
		$(if $(PROCESSES),--processes $(PROCESSES))

profile: $(INSTALLED)  ## where the microseconds of a request go
	@$(BIN)/python -m loadtests.bench.stages $(if $(PROFILE),--profile $(PROFILE)) $(if $(DOCUMENT),--document $(DOCUMENT))

clean:  ## remove what was installed and cached
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find guard loadtests tests -name __pycache__ -prune -exec rm -rf {} +
