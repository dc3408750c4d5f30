# Everything that people and CI do here. `make help` lists it.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
LAZARUS := bin/lazarus
BIN := node_modules/.bin
ARGS ?=

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Make this checkout ready (npm packages, database client, Debian packages)
	@bin/setup

.PHONY: demo
demo: ## Raise three machines in the sandbox, kill one, watch it come back (ARGS="--once --json"; ARGS=--lvs: balancers)
	@bin/setup $(if $(filter --lvs,$(ARGS)),--lvs)
	@bin/compile
	@$(LAZARUS) demo $(ARGS)

.PHONY: dev
dev: ## Run the control plane and the sandbox from source, on port 8080
	@bin/setup
	@$(LAZARUS) up --sandbox --port 8080 $(ARGS)

.PHONY: test
test: check ## Everything CI runs: format, lint, types, generated files, build, all tests
	@$(BIN)/vitest run $(ARGS)

.PHONY: check
check: ## The part of `make test` before the tests
	@bin/setup --test --no-sqlite
	@$(MAKE) -j2 migrations lint generated

# SQLite takes longest, and only this needs it: the other checks run beside its compiler.
.PHONY: migrations
migrations:
	@bin/setup --test
	@node --import tsx prisma/migration.ts --check

.PHONY: generated
generated:
	@bin/compile
	@$(LAZARUS) docs --check

.PHONY: soak
soak: ## The chaos test: kills at every boundary of every step (ROUNDS=20 repeats it, SEED=1 replays one)
	@bin/setup --test
	@$(BIN)/vitest run --config vitest.soak.config.ts $(ARGS)

.PHONY: bench
bench: ## Measure speed as ratios (ARGS="heartbeats --json")
	@bin/setup --test
	@node --import tsx bench/index.ts $(ARGS)

.PHONY: lint
lint: ## Check format, lint and types
	@$(BIN)/biome ci --colors=off --error-on-warnings .
# Of several checkers each would work out the same types for itself.
	@$(BIN)/tsc --noEmit --checkers 1

.PHONY: fix
fix: ## Repair format and what the linter can repair
	@$(BIN)/biome check --write .

.PHONY: docs
docs: ## Write docs/generated and .env.example anew
	@$(LAZARUS) docs

.PHONY: clean
clean: ## Remove what was built and what ran here, the database and seal key in .data too
	@[ ! -d node_modules ] || $(LAZARUS) sandbox --clean --data .data/sandbox
	rm -rf dist coverage .cache .data
