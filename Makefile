# make demo   installs what is missing, builds, tracks the object of the clip in the repository
# make test   the same for the tests
# make build  the binary alone: ./tachi
# make cuda   the same with the device cuda; it starts on machines without a GPU, too
# make ptx    compiles the kernels again, after a change of one (NVRTC: path of libnvrtc.so.12)
# All of them build with the FFmpeg that the machine has, by way of .ci/go.
SHELL := /bin/bash
FLAGS := -ldflags "-X main.commit=$(shell git describe --always --dirty 2>/dev/null)"

.PHONY: demo test build cuda ptx ptx-report deps bench sanitize sanitize-cpu parity race vet vet-cuda clean

demo: build
	./tachi run pipelines/samurai.toml -o out --overwrite
	@echo "look at out/overlay.mp4, out/tracks.txt and out/events.jsonl"

test: deps
	.ci/go test ./...

build: deps
	.ci/go build $(FLAGS) -o tachi ./cmd/tachi

cuda: deps
	eval "$$(kernels/cuda/headers.sh)" && .ci/go build -tags cuda $(FLAGS) -o tachi ./cmd/tachi

ptx: deps
	.ci/go run -tags ptx ./kernels/cuda/ptx kernels/cuda

# What the assembler makes of the kernels: registers, shared memory, spills. PTXAS is NVIDIA's ptxas.
ptx-report:
	@mkdir -p bench/results
	set -o pipefail; for arch in sm_80 sm_90; do $${PTXAS:-ptxas} -v -arch=$$arch kernels/cuda/kernels.ptx -o /dev/null 2>&1 || exit; done | \
		sed -E "s/^ptxas info *: //; s/, *[0-9]+ bytes cmem.*//" >bench/results/ptxas.txt

deps:
	@.ci/deps

vet: deps
	.ci/go vet ./...

vet-cuda: deps
	eval "$$(kernels/cuda/headers.sh)" && .ci/go vet -tags cuda ./kernels/cuda/... ./cmd/...

race: deps
	.ci/go test -race ./graph/... ./runtime/...

# The kernels of the CPU, on each instruction set, and the emulator of the GPU with the sanitizers of addresses and of undefined
# behaviour: an access beyond a tensor or its shared memory stops it, and one that is misaligned or impossible.
# One test asks for more memory than there is. Leaks are counted by the devices: what Go holds looks lost to C.
SANITIZE := ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=0 CGO_CFLAGS="-g -fsanitize=address,undefined -fno-sanitize-recover=undefined" CGO_LDFLAGS="-fsanitize=undefined" \
	CGO_CXXFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined" .ci/go test -asan -timeout 30m

sanitize: deps sanitize-cpu
	$(SANITIZE) ./kernels/cuda

sanitize-cpu: deps
	$(SANITIZE) ./kernels/cpu

bench: deps
	.ci/go test -run '^$$' -bench . -benchtime 1x ./...

# Compares the real sizes with the official PyTorch modules. PYTHON has torch; SAM2 and SAMURAI are checkouts.
parity: build
	stages/internal/sam2/testdata/parity.sh

clean:
	rm -rf tachi out
