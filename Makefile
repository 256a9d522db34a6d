OUT     ?= mydocker
VERSION ?= 0.1.0
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null)
TAGS    := urfave_cli_no_template
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

export CGO_ENABLED := 0

.PHONY: mydocker
mydocker:
	go build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o $(OUT) .
