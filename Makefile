# The same few verbs everywhere; each says what it is for in `make help`.

CARGO ?= cargo
# A machine with two cores is slower with more than two compilers at once.
export CARGO_BUILD_JOBS ?= 2

# Where warnings are mistakes: in the run whose outcome counts. Said once, also where make runs make: with other flags cargo
# builds everything anew.
ifeq ($(CI),true)
deny = $(strip $(1) $(if $(findstring -D warnings,$(1)),,-D warnings))
export RUSTFLAGS := $(call deny,$(RUSTFLAGS))
export RUSTDOCFLAGS := $(call deny,$(RUSTDOCFLAGS))
endif

# What a crate's first page says of its rooms is read with the private items too.
DOC_LINTS := -D warnings -A rustdoc::private_intra_doc_links

.DEFAULT_GOAL := help
.PHONY: help deps build lint unit test fuzz fuzz-build advisories e2e images bundles release release-test concourse concourse-down bench demo docs schemas deny clean

help: ## show this
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 16

deps: ## install what cargo cannot bring: Debian packages, a Kubernetes, a container engine, base images
	@tests/support/deps.sh

build: ## build every crate, tests included
	$(CARGO) build --locked --workspace --all-targets

lint: ## formatting, clippy and the crates' documentation; a warning fails it
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="$(DOC_LINTS)" $(CARGO) doc --locked --quiet --workspace --no-deps --all-features --document-private-items

unit: ## formatting, clippy and the unit tests of every crate: no root, no servers, no network but cargo's
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --exclude jetway-tests --all-targets -- -D warnings
	$(CARGO) test --locked --workspace --exclude jetway-tests --lib --bins

test: ## all that must pass: deps, build, lint, tests of the binaries, images, the same tests against the images
	@tests/support/test.sh

fuzz: ## run each fuzz target for a minute (FUZZ_SECONDS=60)
	@tests/support/fuzz.sh run

fuzz-build: ## build the fuzz targets
	@tests/support/fuzz.sh build

e2e: deps images ## run the delivery pipeline, whole: its images in containers, as a worker runs them, against real servers
	$(CARGO) test --locked --package jetway-tests --test e2e

images: ## build the image of each resource type (or of TYPES="git slack") as jetway/TYPE:dev
	@JETWAY_VERSION=$(VERSION) images/build.sh $(TYPES)

bundles: images ## make the base resource types git, docker-image and registry-image (or TYPES="...") for workers, in target/bundles
	@JETWAY_VERSION=$(VERSION) images/bundle.sh $(TYPES)

release: ## make a release: VERSION=x.y.z REGISTRY=host/org; PUSH=1 pushes it (images/release.sh has the rest)
	@PUSH=$(PUSH) images/release.sh "$(VERSION)" "$(REGISTRY)" $(TYPES)

release-test: ## make a release of TYPES (slack) twice for both architectures, compare the two, and run the binaries
	@tests/support/release_test.sh $(TYPES)

concourse: bundles ## bring up a real Concourse with these types (needs the network), and set the pipelines; VARS=FILE for all of them
	@VARS=$(if $(VARS),$(abspath $(VARS))) tests/concourse/up.sh

concourse-down: ## end it, and remove its data
	@tests/concourse/up.sh down

bench: deps ## measure whole processes beside the raw commands (git, curl) that are their floor; PEERS=DIR: beside DIR/TYPE/{check,in,out}, too
	PEERS="$(PEERS)" $(CARGO) run --locked --release --quiet --package jetway-tests --bin jetway-bench

demo: ## tell the story of the resource types, step by step, against servers started here (QUICK=1: what needs no Kubernetes)
	@tests/support/demo.sh

docs: ## write the parameter tables of the READMEs anew, and build the crates' documentation
	JETWAY_UPDATE_DOCS=1 $(CARGO) test --locked --quiet --package jetway-tests --test docs
	$(CARGO) doc --locked --workspace --no-deps

schemas: ## write JSON Schemas for editors to target/schemas: each type, and whole pipelines
	$(CARGO) run --locked --quiet --package jetway-cli -- schema --all $(or $(CARGO_TARGET_DIR),target)/schemas

deny: ## hold the dependencies' licences and sources against deny.toml (needs cargo-deny)
	$(CARGO) deny check bans licenses sources

advisories: ## hold the dependencies against RustSec's advisories (needs cargo-deny, and the network or a copy of the database)
	$(CARGO) deny check advisories

clean: ## remove what was built, cached fixtures included
	$(CARGO) clean
