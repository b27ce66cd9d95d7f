# make run    a server on this machine, at http://127.0.0.1:8080/demo/
# make test   everything that is checked: style, types, the client, the server
# make chaos  hours of faults: nothing may be lost, repeated or swapped; see docs/chaos.md
# On a bare Debian or Ubuntu only python3 (3.11 or later, with venv) and make are needed.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV ?= .venv
CHROMIUM ?= /usr/bin/chromium
TIMES ?= 20
SEEDS ?= 1 2 3 4 5 6 7 8 9 10

export CHROMIUM
bin := $(VENV)/bin
client := $(bin)/python packaging/client.py

.PHONY: run test lint types client-test look histories chaos bench bench-publish bench-connections bench-transports bench-feed build client system clean

run: $(VENV)/.run client
	@$(bin)/notifier serve

test: $(VENV)/.test system
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint types client-test
	@$(bin)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.test
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .

types: $(VENV)/.test
	@$(bin)/mypy

client-test: $(VENV)/.test
	@$(client) run check
	@$(client) exec -- vitest run

# What people see, in every size and colour scheme; the pictures are in var/screenshots.
look: $(VENV)/.test client system
	@NOTIFIER_LOOKS=all $(bin)/python -m pytest tests/browser/test_look.py

# The random histories of the rules that `make test` has a few of, twenty times over.
histories: $(VENV)/.test system
	@NOTIFIER_HISTORIES=$(TIMES) $(bin)/python -m pytest \
	  tests/core/test_counts.py tests/core/test_devices.py tests/store/test_ends.py

# SEEDS="1 2 3" make chaos: other runs, or fewer.
chaos: $(VENV)/.test system
	@$(bin)/python -m tests.chaos crash
	@$(bin)/python -m tests.chaos storm
	@$(bin)/python -m tests.chaos queue
	@$(bin)/python -m tests.chaos jobs
	@$(bin)/python -m tests.chaos run $(SEEDS:%=--seed %)

bench: bench-publish bench-connections bench-transports bench-feed

bench-publish: $(VENV)/.test system
	@$(bin)/python -m benchmarks.publish

bench-connections: $(VENV)/.test
	@$(bin)/python -m benchmarks.connections

bench-transports: $(VENV)/.test
	@$(bin)/python -m benchmarks.transports

bench-feed: $(VENV)/.test system
	@$(bin)/python -m benchmarks.feed

build: $(VENV)/.test
	@$(bin)/python -m build

client:
	@$(client)

clean:
	rm -rf build dist static/dist static/node_modules *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# The stamps tell that the requirements are installed as pyproject.toml has them.
$(VENV)/.run: pyproject.toml | $(bin)/python
	@$(bin)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(bin)/python
	@$(bin)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ $(VENV)/.run

$(bin)/python:
	@$(PYTHON) -m venv $(VENV)

# A browser, balancers, a broker, and the library that mongod is linked with. RUNLEVEL=1: nothing
# that is installed is started as a service.
system:
	@test -x "$(CHROMIUM)" || set -- chromium; \
	test -x /usr/sbin/nginx || set -- "$$@" nginx-light; \
	test -x /usr/sbin/haproxy || set -- "$$@" haproxy; \
	test -x /usr/lib/rabbitmq/bin/rabbitmq-server || set -- "$$@" rabbitmq-server; \
	/sbin/ldconfig -p | grep -q 'libcurl\.so\.4' || set -- "$$@" libcurl4; \
	test $$# -eq 0 || { \
	  test "$$(id -u)" -eq 0 || { echo "The tests need: apt-get install $$*" >&2; exit 1; }; \
	  apt-get -qq update && \
	  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
	  apt-get -qq install --no-install-recommends -y "$$@" >/dev/null; \
	}
