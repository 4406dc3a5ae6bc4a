# Everything that is done with Sluice from a clone. `make help` lists it.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

GO       ?= go
FUZZTIME ?= 30s
CHECKS   ?= 10000

GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
CONTROLLER_GEN := sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

# The same flags and no workspace, whatever the environment says: what is built
# depends on the clone alone. With -trimpath its place does not matter, and the
# compiler's work for build, vet, lint and lab tests is the same and done once.
export GOFLAGS     := -trimpath -mod=readonly -buildvcs=false
export GOWORK      := off
export CGO_ENABLED := 0
unexport GOOS GOARCH

# A module is a folder of modules/ that has a manifest. What else is there says
# its language: see sdk/toolchain.
MODULES    := $(patsubst modules/%/manifest.json,%,$(wildcard modules/*/manifest.json))
GO_MODULES := $(patsubst modules/%/main.go,%,$(wildcard modules/*/main.go))
WASM       := $(MODULES:%=bin/modules/%.wasm)
# Modules that are part of the agent's binary.
EMBEDDED := modules/embedded/networkpolicy.wasm modules/embedded/clusternetworkpolicy.wasm
PROGRAMS := ./host/cmd/sluice-agent ./host/cmd/sluice-sandbox ./host/cmd/sluicectl ./cni/sluice-cni
# The primary CNI plugins that the lab chains behind, as go.mod pins them, and the
# lab's own, which wires Pods as clouds do.
PLUGINS  := github.com/containernetworking/plugins/plugins/main/ptp \
            github.com/containernetworking/plugins/plugins/ipam/host-local \
            ./host/lab/lab-routed

# What goes into a module: its own folder, the SDKs and the ABI.
wasm-sources = $(shell find abi sdk modules/$(1) -type f -regex '.*\.\(go\|[ch]\|rs\|toml\|lock\|ts\|json\)' ! -name '*_test.*' ! -path '*/tests/*') go.mod go.sum

## Build

.PHONY: build
build: programs modules bin/cni/.built ## programs into bin/, modules into bin/modules/, the lab's CNI plugins into bin/cni/

.PHONY: programs
programs: $(EMBEDDED)
	@mkdir -p bin
	$(GO) build -o bin/ $(PROGRAMS)

.PHONY: modules
modules: bin/npm/.installed $(WASM) ## policy modules into bin/modules/: those whose compiler is here; it says how to get the others

# The compiler of AssemblyScript, as its lock file pins it. Without npm, or
# without its registry, the modules that need it are not built, and that is said
# there.
bin/npm/.installed: sdk/assemblyscript/package.json sdk/assemblyscript/package-lock.json
	@mkdir -p $(@D)
	@if command -v npm >/dev/null; then \
		cp $^ $(@D)/ && cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch .installed || \
		echo "npm could not install the compiler of AssemblyScript (sdk/assemblyscript/package-lock.json)" >&2; \
	fi

.SECONDEXPANSION:
bin/modules/%.wasm: modules/%/manifest.json $$(call wasm-sources,$$*) | bin/npm/.installed
	$(GO) run ./sdk/cmd/sluice-build -missing-ok -o $@ modules/$*

modules/embedded/%.wasm: bin/modules/%.wasm
	cp $< $@

bin/cni/.built: go.mod go.sum $(wildcard host/lab/lab-routed/*.go)
	@mkdir -p $(@D)
	$(GO) build -o $(@D)/ $(PLUGINS)
	@touch $@

# The reference container registry, which tests push modules to. It has many
# dependencies, and so a module of its own.
bin/registry: tests/registry/main.go tests/registry/go.mod tests/registry/go.sum
	@mkdir -p $(@D)
	$(GO) build -C tests/registry -o $(CURDIR)/$@ .

.PHONY: images
images: build ## container images as archives into bin/images/, without a registry
	$(GO) run ./deploy/image/cmd/sluice-images

# Writes the CustomResourceDefinitions of host/api into a directory.
crds = $(GO) run $(CONTROLLER_GEN) crd paths=./host/api/... output:crd:dir=$(1)

.PHONY: crds
crds: ## generate deploy/crds from host/api
	$(call crds,deploy/crds)

## Test

.PHONY: test
STEPS := deps build vet lint unit lab
test: ## everything below, in this order; this is what CI runs
	@begin=$$SECONDS; summary=; \
	for step in $(STEPS); do \
		printf '\n==> %s\n' "$$step"; start=$$SECONDS; \
		if $(MAKE) --no-print-directory "$$step"; then result=ok; else result=FAILED; fi; \
		summary+=$$(printf '%-6s %-6s %4d s' "$$step" "$$result" $$((SECONDS - start)))$$'\n'; \
		[ $$result = ok ] || break; \
	done; \
	printf '\n==> summary\n%s%d s in all\n' "$$summary" $$((SECONDS - begin)); \
	[ $$result = ok ]

.PHONY: deps
deps: ## install the programs that tests and demo use (Debian: apt-get; elsewhere: say what is needed)
	@.ci/deps

.PHONY: vet
vet: $(EMBEDDED) ## go vet, for this machine and for Wasm
	$(GO) vet ./...
	GOOS=wasip1 GOARCH=wasm $(GO) vet $(GO_MODULES:%=./modules/%)

.PHONY: lint
lint: $(EMBEDDED) ## gofumpt, staticcheck, and whether deploy/crds is up to date
	@echo '$(GO) run $(GOFUMPT) -l .'; unformatted=$$($(GO) run $(GOFUMPT) -l .); \
	if [ -n "$$unformatted" ]; then \
		printf 'not formatted, run "$(GO) run $(GOFUMPT) -w ." on:\n%s\n' "$$unformatted" >&2; exit 1; \
	fi
	$(GO) run $(STATICCHECK) ./...
	@fresh=$$(mktemp -d); trap 'rm -r "$$fresh"' EXIT; echo '$(GO) run $(CONTROLLER_GEN), compared with deploy/crds'; \
	$(call crds,$$fresh) && if ! diff -r -x kustomization.yaml deploy/crds "$$fresh"; then \
		echo 'deploy/crds is not what host/api says: run "make crds"' >&2; exit 1; \
	fi

# The tests that measure loss and time must not disturb one another: hence -p 1
# for the lab.

# Vet has been run: its part in `go test` is left out. The seeds and the kept
# findings of the fuzz tests are run as tests of their own.
.PHONY: unit
unit: $(EMBEDDED) bin/registry ## tests of every package, with the race detector and the seeds of the fuzz tests
	CGO_ENABLED=1 $(GO) test -race -vet=off -timeout 10m $$($(GO) list ./... | grep -v '/sluice/tests/')

.PHONY: cluster
cluster: ## a real Kubernetes cluster of two nodes on this machine, without Sluice, until Ctrl-C
	@.ci/deps cluster
	$(GO) run ./tests/cluster up

.PHONY: cluster-api
cluster-api:
	$(GO) run ./tests/cluster build api

# What arrives with Sluice and without is told at the end, as tables of path, family
# and protocol. Without a package's name go test shows what a test prints that passes.
.PHONY: lab
lab: build cluster-api ## tests on real Open vSwitch in network namespaces; they need root
	$(GO) test -vet=off -p 1 -timeout 20m $$($(GO) list ./tests/... | grep -v -e /cluster/daemonset -e /transparency)
	$(GO) test -C tests/transparency -vet=off -timeout 20m

.PHONY: test-cluster
test-cluster: build ## Sluice as a DaemonSet on a real cluster of two nodes; the first time it builds Kubernetes (10 minutes)
	@.ci/deps cluster
	$(GO) run ./tests/cluster build nodes
	$(GO) test -vet=off -count=1 -timeout 20m -v ./tests/cluster/daemonset

SUITES ?=
.PHONY: conformance
conformance: build ## other people's suites against the DaemonSet (half an hour); SUITES=netpol: only this
	@.ci/deps cluster
	$(GO) run ./tests/cluster build nodes conformance
	$(GO) run ./tests/cluster conformance $(SUITES)

PART ?= all
.PHONY: test-kernel
test-kernel: build ## tests on the kernel datapath, in an emulated machine (needs apt; half an hour); PART=lab,agent: only these
	$(GO) run ./tests/kernel -part $(PART)

# A module of its own, so that Sluice itself does not require k8s.io/kubernetes. What
# it requires grows with what Sluice does: the files of bin/kubeproxy follow.
.PHONY: test-kubeproxy
test-kubeproxy: $(EMBEDDED) kubeproxy-nftables ## Sluice's model of Services against kube-proxy's own code (some minutes to compile)
	cd tests/kubeproxy && GOFLAGS='-trimpath -buildvcs=false' $(GO) test -count=1 -vet=off -mod=mod -modfile=$(CURDIR)/bin/kubeproxy/go.mod -v .
	$(GO) test -count=1 -vet=off -run '^TestKubeProxy$$' ./tests/bench

.PHONY: kubeproxy-nftables
kubeproxy-nftables:
	@mkdir -p bin/kubeproxy
	cp tests/kubeproxy/go.mod tests/kubeproxy/go.sum bin/kubeproxy/
	cd tests/kubeproxy && GOFLAGS='-trimpath -buildvcs=false' $(GO) build -mod=mod -modfile=$(CURDIR)/bin/kubeproxy/go.mod -o $(CURDIR)/bin/kubeproxy/ ./nftables

RELOADS ?= 10000
.PHONY: soak
soak: ## reload modules RELOADS (10000) times: memory, processes, files and flows stay flat
	SLUICE_SOAK=$(RELOADS) $(GO) test -vet=off -count 1 -v -run '^TestSoak$$' -timeout 60m ./tests/modules

.PHONY: vulncheck
vulncheck: $(EMBEDDED) ## known vulnerabilities in what is used; it asks vuln.go.dev, so it is no part of test
	$(GO) run $(GOVULNCHECK) ./...

.PHONY: fuzz
fuzz: $(EMBEDDED) ## every fuzz test for FUZZTIME (30s) each, and every property test with CHECKS (10000) cases
	@grep -rHoP --include='*_test.go' '^func \KFuzz\w+' . | sort | while IFS=: read -r file name; do \
		printf '\n==> %s %s\n' "$$(dirname "$$file")" "$$name"; \
		$(GO) test -vet=off -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$(dirname "$$file")"; \
	done
	@grep -rl --include='*_test.go' 'pgregory.net/rapid' . | xargs -n 1 dirname | sort -u | while read -r package; do \
		printf '\n==> %s, %s cases\n' "$$package" "$(CHECKS)"; \
		$(GO) test -vet=off -timeout 0 "$$package" -rapid.checks=$(CHECKS); \
	done

## See and measure

.PHONY: demo
demo: deps build ## policy on real packets, and a module swapped under running traffic
	$(GO) run ./tests/demo

.PHONY: bench
bench: deps build kubeproxy-nftables ## measure, against Open vSwitch's own tools, the CNI alone and kube-proxy; also into tests/bench/results.json
	SLUICE_BENCH_RESULTS=$(CURDIR)/tests/bench/results.json $(GO) test -vet=off -run '^$$' -bench . -timeout 60m ./tests/bench

PODS   ?= 100000
AGENTS ?= 50
ROUNDS ?= 50
.PHONY: bench-cluster
bench-cluster: build ## measure on a real API server and two real nodes: PODS=100000, AGENTS=50, event to wire (half an hour, 12 GB)
	@.ci/deps cluster
	$(GO) run ./tests/cluster build nodes
	SLUICE_BENCH_RESULTS=$(CURDIR)/tests/cluster/results.json SLUICE_PODS=$(PODS) SLUICE_AGENTS=$(AGENTS) SLUICE_ROUNDS=$(ROUNDS) \
		$(GO) test -vet=off -run '^$$' -bench . -benchtime 1x -p 1 -timeout 60m ./tests/cluster/api ./tests/cluster/daemonset

## Other

.PHONY: clean
clean: ## remove what was built; Go's caches lie elsewhere and stay
	rm -rf bin $(EMBEDDED) tests/bench/results.json tests/cluster/results.json

.PHONY: help
help: ## this
	@awk 'BEGIN { FS = ":.*## " } \
		/^## / { printf "\n%s\n", substr($$0, 4) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
