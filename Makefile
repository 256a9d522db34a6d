OUT     ?= mydocker
PREFIX  ?= /usr/local
VERSION ?= 0.1.0
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null)
TAGS    := urfave_cli_no_template
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -E mydocker_entry
GO      ?= go
# The commit is given above. Where the checkout is another user's, git answers nothing, and then go build fails.
export GOFLAGS += -buildvcs=false

# A test that hangs fails its package, long before a CI gives up.
TESTFLAGS ?= -count=1 -timeout 10m
LINTER    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
LINT      ?= $(GO) run $(LINTER)

.PHONY: mydocker
mydocker:
	GOEXPERIMENT=nogreenteagc CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o $(OUT).linked . && cp $(OUT).linked $(OUT).copied && mv $(OUT).copied $(OUT) && rm $(OUT).linked

# What the tests need beyond Go is installed, by who may.
.PHONY: packages
packages:
	@.ci/packages

.PHONY: test
test: packages
	$(GO) run ./test/report -skips .ci/skips -- $(TESTFLAGS) ./...

# The race detector needs a C compiler. Of the scripts it sees a few, by a runtime that is built with it: linked
# statically, for exec executes it where there is no loader.
RACED := lifecycle|run|exec|hooks|pause
.PHONY: race
race:
	$(GO) run ./test/report -skips .ci/skips -- $(TESTFLAGS) -race -short ./internal/... ./libinit/...
	work=$$(mktemp -d) && trap 'rm -rf "$$work"' EXIT && chmod 755 "$$work" && \
	CGO_ENABLED=1 $(GO) build -race -tags '$(TAGS) osusergo netgo' -ldflags '-linkmode external -extldflags -static' -o "$$work/mydocker" . && \
	RUNTIME="$$work/mydocker" $(GO) run ./test/report -skips .ci/skips -- $(TESTFLAGS) -run 'TestScripts/^($(RACED))$$' ./

# Checkpoint and restore, where criu works. They take some minutes.
.PHONY: criu
criu:
	CRIU=1 $(GO) test $(TESTFLAGS) -timeout 20m -v -run 'TestScripts/^checkpoint' .

.PHONY: storm
storm: packages
	STORM=full $(GO) test $(TESTFLAGS) -timeout 20m -v -run Storm ./...

# A count of inputs, not a time: a time can end in the middle of an input, which counts as a failure.
FUZZ ?= 1000x
.PHONY: fuzz
fuzz:
	FUZZ=$(FUZZ) .ci/fuzz

.PHONY: vet
vet:
	$(GO) vet ./...

.PHONY: lint
lint:
	$(LINT) run --timeout 10m

# For a CI: the download may be tried again, the judgement not.
.PHONY: linter
linter:
	GOBIN=$(or $(GOBIN),$(CURDIR)/bin) $(GO) install $(LINTER)

.PHONY: cross
cross:
	GOARCH=arm64 CGO_ENABLED=0 $(GO) build -tags $(TAGS) -o /dev/null .
	GOARCH=arm64 CGO_ENABLED=0 $(GO) vet ./...

.PHONY: demo
demo: mydocker
	./$(OUT) run --rootfs / demo -- sh -c 'echo "host name:  $$(hostname)"; echo; ps -ef; echo; echo mounts:; cut -d" " -f2,3 /proc/mounts'

.PHONY: install
install: mydocker
	install -D -m 755 $(OUT) $(DESTDIR)$(PREFIX)/bin/mydocker

# What mydocker costs, beside crun, runc and the kernel's own share. BENCHFLAGS=-short is quick.
BENCHFLAGS ?=
.PHONY: bench
bench: mydocker
	$(GO) run ./bench -mydocker $(abspath $(OUT)) $(BENCHFLAGS)
