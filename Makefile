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
	GOEXPERIMENT=nogreenteagc,norandomizedheapbase64 CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o $(OUT).linked . && cp $(OUT).linked $(OUT).copied && mv $(OUT).copied $(OUT) && rm $(OUT).linked

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

# The scripts in a guest with systemd and cgroup v2: as root, with --systemd-cgroup, and as a user with a delegated cgroup.
# A line of output says what ran in each mode. VM_TIME is for one mode.
VM_MODES ?= root systemd rootless
VM_TIME  ?= 20m
VM_RUN   ?= TestScripts
.PHONY: test-vm
test-vm: packages
	test/vm/build-image
	GO=$(GO) VM_TIME=$(VM_TIME) VM_RUN='$(VM_RUN)' test/vm/suite $(VM_MODES)

# Checkpoint and restore, where criu works. They take some minutes.
.PHONY: criu
criu:
	CRIU=1 $(GO) test $(TESTFLAGS) -timeout 20m -v -run 'TestScripts/^checkpoint' .

# The same in the guest, whose kernel and criu leave none of them out, and Podman's checkpoint and restore, in a guest that
# has Podman as well.
PODMAN_VM ?= /var/tmp/mydocker-vm-podman
.PHONY: test-vm-criu
test-vm-criu:
	CRIU=1 $(MAKE) test-vm VM_MODES='root systemd' VM_RUN='TestScripts/^checkpoint'
	VM_EXTRA_PACKAGES='podman catatonit' test/vm/build-image $(PODMAN_VM)
	VM_IMAGE_DIR=$(PODMAN_VM) GO=$(GO) test/vm/engines -engine podman -run '^checkpoint$$'

.PHONY: storm
storm: packages
	STORM=full $(GO) test $(TESTFLAGS) -timeout 20m -v -run Storm ./...

# A count of inputs, not a time: a time can end in the middle of an input, which counts as a failure.
FUZZ ?= 1000x
.PHONY: fuzz
fuzz:
	FUZZ=$(FUZZ) .ci/fuzz

# The pictures of the README, as root, from real runs.
.PHONY: pictures
pictures: packages
	docs/draw/pictures

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

# Manual pages are made from the commands.
MAN ?= man
.PHONY: man
man: mydocker
	$(abspath $(OUT)) __man $(MAN)

# The moving picture of a terminal in the README, as root: a session is typed and drawn.
.PHONY: recording
recording: mydocker
	$(GO) run ./docs/record $(OUT) docs/record/session docs/terminal.svg

# For another architecture, build with OUT, make the manual pages with a binary that runs here, and copy both.
SHARE := $(DESTDIR)$(PREFIX)/share
.PHONY: install
install: mydocker
	install -D -m 755 $(OUT) $(DESTDIR)$(PREFIX)/bin/mydocker
	$(abspath $(OUT)) __man $(SHARE)/man/man8
	install -D -m 644 internal/completion/mydocker.bash $(SHARE)/bash-completion/completions/mydocker
	install -D -m 644 internal/completion/mydocker.zsh $(SHARE)/zsh/site-functions/_mydocker
	install -D -m 644 internal/completion/mydocker.fish $(SHARE)/fish/vendor_completions.d/mydocker.fish

# Container engines on mydocker, and on runc and crun to compare. RUNTIME takes others, ENGINE=podman,cri only these
# engines, SCENARIO=pause only these scenarios. The engines that Debian has not are built.
RUNTIME     ?= $(abspath $(OUT)),runc,crun
ENGINES_BIN ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mydocker-engines
.PHONY: test-engines
test-engines: mydocker packages
	GO=$(GO) test/engines/install $(ENGINES_BIN)
	ENGINES_BIN=$(ENGINES_BIN) $(GO) run ./test/engines -runtime '$(RUNTIME)' -engine '$(ENGINE)' -run '$(SCENARIO)'

# What mydocker costs, beside crun, runc and the kernel's own share. BENCHFLAGS=-short is quick.
BENCHFLAGS ?=
.PHONY: bench
bench: mydocker
	$(GO) run ./bench -mydocker $(abspath $(OUT)) $(BENCHFLAGS)

# The integration suite of runc, from a checkout of it at SUITE, run against mydocker, and against CONTROL if that is given.
# FILES are names of bats files; without, all. MODE is host, or that of a guest, whose image has a C compiler for some tests.
SUITE     ?=
CONTROL   ?=
FILES     ?=
MODE      ?= host
COMPAT_VM ?= /var/tmp/mydocker-vm-compat
.PHONY: test-compat
test-compat: mydocker
	[ $(MODE) = host ] || VM_EXTRA_PACKAGES='gcc libc6-dev' test/vm/build-image $(COMPAT_VM)
	VM_IMAGE_DIR=$(COMPAT_VM) MODE=$(MODE) SUITE=$(SUITE) RUNTIME=$(abspath $(OUT)) CONTROL=$(CONTROL) test/compat/run $(FILES)

# Attacks on mydocker, for each published vulnerability of container runtimes. Other runtimes that are installed show
# that the attacks are real ones. In a directory, not with a package's name, go test shows the table of a run that passes.
HOSTILE ?= -full -runtimes mydocker,runc,crun
.PHONY: test-hostile
test-hostile: packages
	$(GO) -C test/hostile test -count=1 -timeout 20m -run TestHostile -args $(HOSTILE)

# The same attacks on mydocker without one of its defences, each in a build of its own: they have to succeed. WEAKEN is a
# pattern of their names, and with KEEP, a directory, the last build is kept.
WEAKEN ?= .
KEEP   ?=
.PHONY: test-hostile-controls
test-hostile-controls: packages
	$(GO) -C test/hostile test -count=1 -timeout 60m -run '^TestControls$$' -args -weaken '$(WEAKEN)' -keep '$(KEEP)'

# Faults at random, for a time, drawn from a seed; at the end nothing may be left.
FAULTS ?= 10m
SEED   ?= 1
.PHONY: faults
faults: packages
	$(GO) -C test/hostile test -count=1 -timeout 0 -run '^TestFaults$$' -args -faults $(FAULTS) -seed $(SEED)

# The same binary comes out of any directory.
.PHONY: reproducible
reproducible:
	@.ci/reproducible

# Known vulnerabilities of what is linked. It asks the database of the Go project.
VULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.1.4
.PHONY: vulncheck
vulncheck:
	$(GO) run $(VULNCHECK) -tags $(TAGS) ./...
