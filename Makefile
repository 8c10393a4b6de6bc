# SPDX-License-Identifier: Apache-2.0
# Needs Python 3.11 to 3.13 with its venv module, Node.js 20 or newer with npm, and git. All else lands inside
# this folder. `make` alone lists the targets.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

UV_VERSION   := 0.13.9
SOLC_VERSION := 0.8.37

UV     := .venv/.uv-$(UV_VERSION)
BIN    := .venv/bin
PYTHON := $(BIN)/python
SOLC   := .solcx/solc-v$(SOLC_VERSION)

# The npm packages of Foundry exist for Linux on x86-64; elsewhere anvil and forge are taken from PATH.
FOUNDRY := $(CURDIR)/node_modules/@foundry-rs
export PATH := $(CURDIR)/$(BIN):$(FOUNDRY)/anvil-linux-amd64/bin:$(FOUNDRY)/forge-linux-amd64/bin:$(CURDIR)/node_modules/.bin:$(PATH)
export APE_DATA_FOLDER   := $(CURDIR)/.ape
export SOLCX_BINARY_PATH := $(CURDIR)/.solcx
export MPLCONFIGDIR      := $(CURDIR)/.cache/matplotlib

# Package managers and Foundry keep caches in the home folder; some build machines have none.
ifeq ($(shell test -n "$$HOME" -a -w "$$HOME" && echo yes),)
export HOME := $(shell mkdir -p .cache/home && echo $(CURDIR)/.cache/home)
endif

ROOMS     := $(wildcard chain cli delivery node notify operations oracle orchestrator scenario settlement)
SOL_FILES = $(shell find contracts tests/forge -name '*.sol' -not -path '*/.cache/*' 2>/dev/null)

##@ Everyday

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: .venv/.ok node_modules/.ok $(SOLC) ## install everything into this folder
	@true

# Servers that tests talk to. Not part of `setup`: only tests and benchmarks need them.
.PHONY: services
services: setup ## put a broker, PostgreSQL and Prometheus under .services
	@$(PYTHON) scripts/services

.PHONY: demo
demo: setup ## run the demonstration (options: ARGS="...")
	@$(BIN)/epochal demo $(ARGS)

.PHONY: clean
clean: ## remove everything that was installed or built
	rm -rf .venv node_modules .ape .solcx .services .cache .build contracts/.cache
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Checks

# Where this make can keep their lines apart, checks that use one processor run two at a time.
PAIRED := $(if $(filter output-sync,$(.FEATURES)),-j2 --output-sync=target)

# pytest comes last: its closing line is the result of the whole run.
.PHONY: test
test: setup ## lint and run every suite
	@$(MAKE) $(PAIRED) test-ape lint-python lint-solidity test-forge
	@$(MAKE) test-python

# Three at once on two processors: most of them wait for processes, blocks and epochs.
.PHONY: test-python
test-python: services ## the pytest suites (options: ARGS="...")
	$(PYTHON) -m pytest -p no:ape_test tests --ignore=tests/ape -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: test-long
test-long: services ## the tests of minutes that `make test` leaves out
	$(PYTHON) -m pytest -p no:ape_test tests --ignore=tests/ape -m long $(ARGS)

.PHONY: test-ape
test-ape: setup ## the ape suite
	@if compgen -G 'tests/ape/test_*.py' >/dev/null; then \
	  echo "$(BIN)/ape test tests/ape --network ethereum:local:foundry"; \
	  $(BIN)/ape test tests/ape --network ethereum:local:foundry; \
	else echo "no ape tests"; fi

.PHONY: test-forge
test-forge: setup ## the Solidity fuzz and invariant suite
	@if compgen -G 'tests/forge/*.t.sol' >/dev/null; then \
	  command -v forge >/dev/null || { echo "forge is not on PATH. Cure: install Foundry 1.7 or newer." >&2; exit 1; }; \
	  echo "forge test"; forge test; \
	else echo "no forge tests"; fi

# atheris has wheels for Linux on x86-64 only, so it stays out of the lock and of `make test`.
.PHONY: fuzz
fuzz: setup ## fuzz what strangers send, a minute each (options: ARGS="...")
	@$(PYTHON) -c 'import atheris' 2>/dev/null \
	  || $(BIN)/uv pip install --quiet --python $(PYTHON) --only-binary atheris 'atheris>=3,<4' \
	  || { echo "fuzz: atheris has no package for this machine. Cure: run it on Linux on x86-64." >&2; exit 1; }
	@$(PYTHON) -m tests.fuzz.run $(ARGS)

.PHONY: lint
lint: lint-python lint-solidity ## check style and types, change nothing

.PHONY: lint-python
lint-python: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if [ -n "$(ROOMS)" ]; then echo "mypy"; $(PYTHON) -m mypy $(addprefix -p ,$(ROOMS)); fi

.PHONY: lint-solidity
lint-solidity: setup
	@if [ -n "$(SOL_FILES)" ]; then echo "prettier, solhint"; \
	  prettier --log-level warn --check $(SOL_FILES) && solhint --disc --noPoster --max-warnings 0 $(SOL_FILES); fi
	@$(MAKE) slither ARGS=

.PHONY: slither
slither: setup ## let Slither read the contracts
	@$(PYTHON) -m tests.slither.run $(ARGS)

.PHONY: format
format: setup ## rewrite Python and Solidity in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	@if [ -n "$(SOL_FILES)" ]; then prettier --log-level warn --write $(SOL_FILES); fi

##@ Contracts and figures

.PHONY: compile
compile: setup ## compile the contracts with ape
	$(BIN)/ape compile

.PHONY: abi
abi: setup ## write the contracts' ABIs for those who have no compiler
	@$(PYTHON) -m chain.bindings

.PHONY: settings-docs
settings-docs: setup ## write the pages and the sample of the oracle's settings
	@$(PYTHON) -m oracle.service.settings_docs

.PHONY: gas
gas: setup ## measure gas, print the table, write docs/gas.md
	@$(PYTHON) -m benchmarks.gas $(ARGS)

.PHONY: bench
bench: setup ## time the closing of an epoch, write docs/performance.md
	@$(PYTHON) -m benchmarks.closing $(ARGS)

.PHONY: bench-telemetry
bench-telemetry: services ## time the intake and the store, write docs/performance-telemetry.md
	@$(PYTHON) -m benchmarks.telemetry $(ARGS)

.PHONY: bench-committee
bench-committee: setup ## time five oracles from an epoch's end to a report, write docs/performance-committee.md
	@$(PYTHON) -m benchmarks.committee $(ARGS)

.PHONY: soak-telemetry
soak-telemetry: setup ## bring the whole network's heartbeats for minutes (ARGS="--minutes 5 --rate 4672")
	@$(PYTHON) -m benchmarks.soak $(ARGS)

.PHONY: crash-telemetry
crash-telemetry: services ## kill the intake under load, again and again (ARGS="--kills 100 --store postgres")
	@$(PYTHON) -m benchmarks.crash $(ARGS)

.PHONY: simulate
simulate: setup ## a committee in virtual time, with liars and faults (ARGS="--seeds 5000", ARGS="--seed 7 --tell")
	@$(PYTHON) -m tests.property.committee.simulation.run $(ARGS)

.PHONY: chaos
chaos: setup ## five oracles as processes, faults alone and combined, write docs/chaos.md (ARGS="--seeds 7 --keep out")
	@$(PYTHON) -m benchmarks.chaos $(ARGS)

.PHONY: heal
heal: setup ## kill nodes with their workloads, print how long their slots take to heal (ARGS="--kills 20 --seed 7")
	@$(PYTHON) -m benchmarks.heal $(ARGS)

##@ Proofs, minutes to hours

.PHONY: symbolic
symbolic: setup ## check libraries with Halmos and Z3, for every value (ARGS="--contract ReportsChecks")
	@$(PYTHON) -m tests.halmos.run $(ARGS)

.PHONY: prove
prove: setup ## long invariant campaigns, symbolic checks, long property tests, write docs/proofs.md (ARGS="--only invariants")
	@$(PYTHON) -m tests.proofs.run $(ARGS)

.PHONY: mutate
mutate: setup ## put small faults into a copy of the contracts, write docs/mutation.md (ARGS="--group Accrual --sample 50")
	@$(PYTHON) -m tests.mutation.run $(ARGS)

##@ Dependencies

.PHONY: lock
lock: $(UV) ## resolve both lock files again
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --output-file requirements.lock pyproject.toml
	$(PYTHON) scripts/image-requirements
	npm install --package-lock-only --ignore-scripts --no-audit --no-fund

.venv/.ok: requirements.lock scripts/epochal $(UV)
	@echo "setup: Python packages"
	@# uv brings its own certificates; behind a company's proxy those of the system are the right ones.
	@sync="$(BIN)/uv pip sync --quiet --python $(PYTHON) --require-hashes requirements.lock"; \
	  $$sync || { echo "setup: once more, with the system's certificates"; $$sync --system-certs; }
	@# A relative path: a copy of this folder must not import from the original.
	@purelib=$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	  echo ../../../.. > "$$purelib/epochal.pth"
	@install -m 755 scripts/epochal $(BIN)/epochal
	@touch $@

# An environment without this stamp was left half made.
$(UV):
	@echo "setup: virtual environment"
	@python=$$(scripts/prerequisites python) && "$$python" -m venv --clear .venv
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

node_modules/.ok: package-lock.json .npmrc
	@echo "setup: npm packages"
	@scripts/prerequisites node
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# py-solc-x and ape find the compiler by this name.
$(SOLC): scripts/solc
	@mkdir -p .solcx
	@ln -sfn ../scripts/solc $@
