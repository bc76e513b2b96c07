# What people and CI run. Recipes are a line or two; what needs logic is a script beside them.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

NEXTEST = $$(scripts/tool cargo-nextest 0.9.151)
NEXTEST_PROFILE ?= $(if $(CI),ci,default)
STATIC_TARGET := x86_64-unknown-linux-gnu
# The crate getrandom finds libc's function by dlsym, which finds nothing in a static binary; /dev/urandom is its second
# choice, which an empty root has not. So it is told to link the function.
STATIC_FLAGS := -C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"
STATIC_BIN = $(or $(CARGO_TARGET_DIR),target)/$(STATIC_TARGET)/release/temper
HEALER_BIN = $(or $(CARGO_TARGET_DIR),target)/release/temper-healer

.PHONY: help setup demo test check fmt static minimal e2e host bench calibration fuzz clean

help: ## List what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 14

setup: ## Install what building needs (Debian packages)
	@scripts/setup

demo: setup ## Judge a bad and a good version of a small queue-manager, live, everything embedded
	@scripts/say "building temper (about two minutes the first time)"
	@cargo run --quiet --locked --bin temper -- demo $(DEMO)

test: setup ## Run all tests that need no control plane
	@scripts/say "building and running the tests (some minutes the first time)"
	$(NEXTEST) nextest run --locked --profile $(NEXTEST_PROFILE)
	cargo test --locked --doc --quiet

check: setup ## Formatting, lints, documentation, dependency rules
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items --quiet
	$$(scripts/tool cargo-deny 0.20.2) --workspace check bans licenses sources
	$$(scripts/tool cargo-machete 0.9.2) .
	scripts/check-each-crate

fmt: ## Format the code
	cargo fmt --all

static: setup ## Build the fully static binary and prove that it runs in an empty root
	@scripts/say "building the static binary (about four minutes the first time)"
	RUSTFLAGS='$(STATIC_FLAGS)' cargo build --quiet --locked --release --bin temper --target $(STATIC_TARGET)
	scripts/prove-static $(STATIC_BIN)

minimal: setup ## Build the healer as its image has it, and prove that it needs nothing that the image lacks
	@scripts/say "building the healer as its image has it (about five minutes the first time)"
	cargo build --quiet --locked --release -p temper-healer --features vendored
	scripts/prove-minimal $(HEALER_BIN)

host: static ## Load the static binary with the real go-plugin and Argo Rollouts client
	TEMPER_LONG=1 TEMPER_BIN=$(abspath $(STATIC_BIN)) tests/host/run

e2e: host minimal ## Real rollouts are judged and real workers healed: API server, Argo Rollouts, Kafka (some fifteen minutes to build, once)
	TEMPER_BIN=$(abspath $(STATIC_BIN)) TEMPER_HEALER_BIN=$(abspath $(HEALER_BIN)) tests/e2e/run

bench: static minimal ## Print speed and memory as ratios against scipy and a Go plugin in the same run
	TEMPER_BENCH_PYTHON=$$(scripts/bench-scipy) cargo bench --locked -p temper-stats -p temper-judge -p temper-healer-core -p temper-healer
	TEMPER_BIN=$(abspath $(STATIC_BIN)) tests/host/run-bench
	TEMPER_HEALER_BIN=$(abspath $(HEALER_BIN)) TEMPER_E2E_EVENTS=10000000 tests/e2e/run healer::rebuild --nocapture

calibration: setup ## Simulate how often the judge is wrong, into docs/calibration.md (RUNS=20000 a row; fewer of long ones)
	@scripts/say "simulating rollouts (some ten minutes on two idle cores)"
	cargo run --quiet --release --locked -p temper-calibration -- $(or $(RUNS),20000) docs/calibration.md

fuzz: setup ## Fuzz the gob decoder (SECONDS_EACH=10 a target)
	scripts/fuzz $(or $(SECONDS_EACH),10)

clean: ## Remove build outputs; what is cached outside stays
	cargo clean
