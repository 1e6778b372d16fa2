# make demo   installs what is missing, builds, tracks the object of the clip in the repository
# make test   the same for the tests
# make build  the binary alone: ./tachi
SHELL := /bin/bash
GO    ?= go
FLAGS := -ldflags "-X main.commit=$(shell git describe --always --dirty 2>/dev/null)"

.PHONY: demo test build deps bench parity race vet clean

demo: build
	./tachi run pipelines/samurai.toml -o out --overwrite
	@echo "look at out/overlay.mp4, out/tracks.txt and out/events.jsonl"

test: deps
	$(GO) test ./...

build: deps
	$(GO) build $(FLAGS) -o tachi ./cmd/tachi

deps:
	@.ci/deps

vet: deps
	$(GO) vet ./...

race: deps
	$(GO) test -race ./graph/... ./runtime/...

bench: deps
	$(GO) test -run '^$$' -bench . -benchtime 1x ./...

# Compares the real sizes with the official PyTorch modules. PYTHON has torch; SAM2 and SAMURAI are checkouts.
parity: build
	stages/internal/sam2/testdata/parity.sh

clean:
	rm -rf tachi out
