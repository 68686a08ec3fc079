# Everything starts here: `make demo` and `make test` do all set-up by themselves.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: help setup demo test check lint types imports unit e2e conformance fuzz bench-verify bench-repo bench-switch bench-evidence bench-audit kill-evidence peers-hil schemas format clean

help: ## Print the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | while IFS=$$'\t' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

setup: ## Install what is missing: Debian packages (root for apt only) and .venv from the hash-locked lists
	@./bootstrap

demo: setup ## Run the main job on the virtual metal (KEEP=1 leaves it running)
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo.sh

test: setup ## Run everything: check, unit, properties, contracts, scenarios, conformance, end to end
	@$(MAKE) --no-print-directory check unit conformance e2e

check: lint types imports ## Lint, types, import contracts

lint:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types:
	@$(BIN)/mypy

imports:
	@$(BIN)/lint-imports --no-logo | tail -n 8

unit: ## Unit, property, contract, scenario, architecture and brief fuzz tests; branch coverage of the pure rooms at 100 %
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest tests/unit
	@$(BIN)/python -m pytest --hypothesis-profile=$${PROFILE:-ci} tests/properties tests/contracts tests/scenarios tests/architecture tests/fuzz
	@$(BIN)/coverage report --include='reconciler/errors/*,reconciler/model/*,reconciler/ports/*,reconciler/attest/*,reconciler/evidence/*,reconciler/keys/*,reconciler/plan/*' --skip-covered --show-missing --fail-under=100

conformance: ## Check against others' vectors (VECTORS=folder)
	@VECTORS="$${VECTORS:-$$(test -d ../shared/vectors && echo ../shared/vectors)}" $(BIN)/python -m pytest tests/conformance -rs

e2e: ## The end-to-end tests on the virtual metal
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest tests/e2e

peers-hil: setup ## The isolation contract on a real HIL server (HIL_URL=… and, as variables, HIL_USER, HIL_PASSWORD, HIL_PROJECT, HIL_PORTS=node/nic,node/nic)
	@test -n "$(HIL_URL)" || { echo "error: HIL_URL is not set; hint: make peers-hil HIL_URL=https://hil.example" >&2; exit 2; }
	@HIL_URL="$(HIL_URL)" $(BIN)/python -m pytest tests/contracts/test_isolation_contract.py -k hil_server -rs

fuzz: setup ## Fuzz the verifier's parsers, each for ten minutes (SECONDS=600, TARGET=eventlog, SEED=…)
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED)) $(TARGET)

bench-verify: setup ## How fast the verifier is, beside `openssl speed` on the same core (STRICT=1 fails below a bar, LOGS=files)
	@$(BIN)/python -m benchmarks.verify $(if $(STRICT),--strict) $(LOGS)

bench-repo: setup ## How fast state repositories are read: 1,000 to 100,000 nodes (SIZES=1000,10000,100000, STRICT=1 fails below a bar)
	@$(BIN)/python -m benchmarks.repo $(if $(SIZES),--sizes $(SIZES)) $(if $(STRICT),--strict)

bench-switch: setup ## How long moving ports takes on Open vSwitch, beside a bare ovsdbapp transaction (STRICT=1 fails below a bar)
	@$(BIN)/python -m benchmarks.switch $(if $(STRICT),--strict)

bench-evidence: setup ## How fast evidence is written and how it grows (DAY=1 for the whole day, STRICT=1 fails below a bar)
	@$(BIN)/python -m benchmarks.evidence $(if $(DAY),--day) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(STRICT),--strict)

kill-evidence: setup ## Kill the writer of evidence at random instants, with a remote that fails at random (KILLS=200, SEED=…)
	@KILLS="$(or $(KILLS),200)" $(BIN)/python -m pytest -q -s tests/e2e/test_killed_writer.py

bench-audit: setup ## How fast evidence is audited, and how much memory that takes (SIZES=1000,10000, STRICT=1 fails below a bar)
	@$(BIN)/python -m benchmarks.audit $(if $(SIZES),--sizes $(SIZES)) $(if $(STRICT),--strict)

schemas: ## Generate schemas/ again
	@$(BIN)/ringfence schema

format: ## Format the code
	@$(BIN)/ruff format .

clean: ## Remove what make made
	@rm -rf .venv .demo .coverage .mypy_cache .ruff_cache .hypothesis build *.egg-info
