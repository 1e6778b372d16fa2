# make demo   installs what is missing, builds, tracks the object of the clip in the repository
# make test   the same for the tests
# make build  the binary alone: ./tachi
# make cuda   the same with the device cuda; it starts on machines without a GPU, too
# make ptx    compiles the kernels again, after a change of one (NVRTC: path of libnvrtc.so.12)
SHELL := /bin/bash
GO    ?= go
FLAGS := -ldflags "-X main.commit=$(shell git describe --always --dirty 2>/dev/null)"

.PHONY: demo test build cuda ptx ptx-report deps bench sanitize sanitize-cpu parity race vet vet-cuda clean

demo: build
	./tachi run pipelines/samurai.toml -o out --overwrite
	@echo "look at out/overlay.mp4, out/tracks.txt and out/events.jsonl"

test: deps
	$(GO) test ./...

build: deps
	$(GO) build $(FLAGS) -o tachi ./cmd/tachi

cuda: deps
	eval "$$(kernels/cuda/headers.sh)" && $(GO) build -tags cuda $(FLAGS) -o tachi ./cmd/tachi

ptx: deps
	$(GO) run -tags ptx ./kernels/cuda/ptx kernels/cuda

# What the assembler makes of the kernels: registers, shared memory, spills. PTXAS is NVIDIA's ptxas.
ptx-report:
	@mkdir -p bench/results
	set -o pipefail; for arch in sm_80 sm_90; do $${PTXAS:-ptxas} -v -arch=$$arch kernels/cuda/kernels.ptx -o /dev/null 2>&1 || exit; done | \
		sed -E "s/^ptxas info *: //; s/, *[0-9]+ bytes cmem.*//" >bench/results/ptxas.txt

deps:
	@.ci/deps

vet: deps
	$(GO) vet ./...

vet-cuda: deps
	eval "$$(kernels/cuda/headers.sh)" && $(GO) vet -tags cuda ./kernels/cuda/... ./cmd/...

race: deps
	$(GO) test -race ./graph/... ./runtime/...

# The kernels of the CPU, on each instruction set, and the emulator of the GPU with the sanitizers of addresses and of undefined
# behaviour: an access beyond a tensor or its shared memory stops it, and one that is misaligned or impossible.
SANITIZE := CGO_CFLAGS="-g -fsanitize=address,undefined -fno-sanitize-recover=undefined" CGO_LDFLAGS="-fsanitize=undefined" \
	CGO_CXXFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined" $(GO) test -asan -timeout 30m

sanitize: deps sanitize-cpu
	$(SANITIZE) ./kernels/cuda

sanitize-cpu: deps
	$(SANITIZE) ./kernels/cpu

bench: deps
	$(GO) test -run '^$$' -bench . -benchtime 1x ./...

# Compares the real sizes with the official PyTorch modules. PYTHON has torch; SAM2 and SAMURAI are checkouts.
parity: build
	stages/internal/sam2/testdata/parity.sh

clean:
	rm -rf tachi out
