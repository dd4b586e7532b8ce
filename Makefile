# The commands of Windlass. A newcomer needs two: `make demo` and `make test`.
#
# Needed: Go 1.26, git, make. Nothing is installed and nothing outside this folder is written but Go's own caches
# (and the key file of `make demo`, in the user configuration directory).

GO        ?= go
BIN       := bin/windlass
TOOLS     := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/windlass/tools
LINT      := v2.15.0
GOLANGCI  := $(TOOLS)/golangci-lint-$(LINT)/golangci-lint
TESTFLAGS ?=
DEMO      ?=
BENCH     ?=
BENCH_LIMITS ?=
BENCH_PACE   ?=
BENCH_HISTORY ?=
BENCH_INTAKE ?=

# One way of compiling for the program, vet, the tests and the linters, so that each finds what another has compiled.
export GOFLAGS := $(strip $(shell $(GO) env GOFLAGS) -trimpath)

# The commit goes into the binary where git can tell it, whatever GOFLAGS says.
VCS := -buildvcs=$(shell git rev-parse --quiet --verify HEAD >/dev/null 2>&1 && echo true || echo false)

# The race detector watches all packages with -short, which bounds how many cases the property tests draw; those packages
# run once more in full without it. It would make the pure Go SQLite ten times slower, and that is not our code: so it
# does not watch inside SQLite.
FULL   := ./internal/graph ./internal/job ./internal/query ./internal/store/... ./internal/sync ./internal/bitbucket/cloud
RACING := -race -gcflags='modernc.org/...=-race=false'

# The race detector needs cgo, hence a C compiler with headers; the program itself is built without either.
RACE := $(shell printf '\043include <stdlib.h>\nint main(void) { return 0; }\n' | $$($(GO) env CC) -x c -o /dev/null - 2>/dev/null && echo yes)

# PostgreSQL's own programs, wherever a distribution keeps them.
INITDB := $(firstword $(wildcard $(addsuffix /initdb,$(subst :, ,$(PATH)) /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin)))

.PHONY: demo test build vet lint fmt docs bench bench-sync bench-limits bench-pace bench-history bench-intake dist clean tools

# Builds the binary and does the main job on a made-up Bitbucket. `make demo DEMO=--exit` stops after the summary.
demo: build
	$(BIN) demo $(DEMO)

build:
	CGO_ENABLED=0 $(GO) build $(VCS) -o $(BIN) ./cmd/windlass

# All tests. What cannot run on this machine is said in one line each; .ci/run installs it and always runs it.
test: vet
ifeq ($(INITDB),)
	@echo "test: no PostgreSQL server programs found: its suite is left out (Debian: apt-get install postgresql)."
endif
ifeq ($(wildcard $(or $(WINDLASS_SHARED),../shared)/bitbucket),)
	@echo "test: no ../shared/bitbucket: conformance with the vendor's OpenAPI documents is left out."
endif
ifeq ($(RACE),yes)
	CGO_ENABLED=0 $(GO) test -timeout 20m $(TESTFLAGS) $(FULL)
	CGO_ENABLED=0 $(GO) test -timeout 20m $(TESTFLAGS) -run 'Canaries|WebhooksAlone|LostWebhooks' ./cmd/windlass ./internal/app
	CGO_ENABLED=1 $(GO) test -timeout 20m $(RACING) -short $(TESTFLAGS) ./...
else
	@echo "test: no C compiler found: tests run without the race detector (Debian: apt-get install gcc libc6-dev)."
	CGO_ENABLED=0 $(GO) test $(TESTFLAGS) ./...
endif

vet:
	CGO_ENABLED=0 $(GO) vet ./...

# Rewrites everything in the repository that is generated from code.
docs:
	CGO_ENABLED=0 $(GO) test ./docs ./internal/config ./internal/api -update

lint: tools
	CGO_ENABLED=0 $(GOLANGCI) run ./...

fmt: tools
	$(GOLANGCI) fmt ./...

# golangci-lint is GPL, so it is an installed tool and never a dependency. Its compilation takes about three minutes, once.
tools: $(GOLANGCI)
$(GOLANGCI):
	GOBIN=$(dir $(GOLANGCI)) CGO_ENABLED=0 $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT)

# Every benchmark; bench/README.md says what each measures. BENCH, BENCH_LIMITS, BENCH_PACE, BENCH_HISTORY and BENCH_INTAKE hold flags,
# such as BENCH='--scale 10'.
bench: bench-sync bench-limits bench-pace bench-history bench-intake

bench-sync: build
	CGO_ENABLED=0 $(GO) run ./bench/sync --binary $(BIN) $(BENCH)

bench-limits:
	CGO_ENABLED=0 $(GO) run ./bench/limits $(BENCH_LIMITS)

bench-pace:
	CGO_ENABLED=0 $(GO) run ./bench/pace $(BENCH_PACE)

bench-history:
	CGO_ENABLED=0 $(GO) run ./bench/history $(BENCH_HISTORY)

bench-intake:
	CGO_ENABLED=0 $(GO) run ./bench/intake $(BENCH_INTAKE)

# Release files: four platforms, checksums, and the modules that went in.
dist:
	rm -rf dist && mkdir -p dist
	set -e; for target in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do \
	  os=$${target%/*}; arch=$${target#*/}; name=windlass-$$os-$$arch; \
	  echo "dist: $$name"; \
	  CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch $(GO) build $(VCS) -ldflags '-s -w' -o dist/$$name ./cmd/windlass; \
	  $(GO) version -m dist/$$name > dist/$$name.modules.txt; \
	done
	cd dist && sha256sum windlass-* > SHA256SUMS

clean:
	rm -rf bin dist
