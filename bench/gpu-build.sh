#!/usr/bin/env bash
# Builds what bench/gpu.sh runs on a machine that has nothing but an NVIDIA driver and Python: one program and three test
# programs with the device cuda and without FFmpeg, into a folder that git ignores.
#
#	[TAGS=cuda,nomedia] [SAM2=CHECKOUT] bench/gpu-build.sh [build/gpu]
#
# Beside the folder it writes all of it as FOLDER.tar.gz, which gpu.sh takes where the folder is missing: less to carry.
# With SAM2, a checkout of facebookresearch/sam2, the folder also gets that package and the wheels it needs beside torch.
# CGO_CFLAGS and CGO_LDFLAGS say where cuda.h is, and what to link; unset, kernels/cuda/headers.sh says so.
set -euo pipefail
cd "$(dirname "$0")/.."
to=$(mkdir -p "${1:-build/gpu}" && cd "${1:-build/gpu}" && pwd)
tags=${TAGS:-cuda,nomedia}

if [[ $tags == *cuda* && -z ${CGO_CFLAGS:-} && -x kernels/cuda/headers.sh ]]; then
	headers=$(kernels/cuda/headers.sh)
	eval "$headers"
fi

commit=$(git describe --always --dirty 2>/dev/null || true)
build=(-tags "$tags" -trimpath)
go build "${build[@]}" -ldflags "-s -w -X main.commit=$commit" -o "$to/tachi" ./cmd/tachi
go test -c "${build[@]}" -ldflags "-s -w" -o "$to/kernels_cuda.test" ./kernels/cuda
go test -c "${build[@]}" -ldflags "-s -w" -o "$to/sam2.test" ./stages/internal/sam2
go test -c "${build[@]}" -ldflags "-s -w" -o "$to/stages.test" ./stages

# The driver is loaded only where it is there, and video is left out: neither may be asked for by the loader.
for program in tachi kernels_cuda.test sam2.test stages.test; do
	needed=$(readelf -d "$to/$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | tr '\n' ' ')
	if [[ $needed =~ lib(av|sw|postproc|x264|cuda|nv) ]]; then
		echo "$program would not start on a bare machine: it needs $needed" >&2
		exit 1
	fi
	echo "$program: $(stat -c %s "$to/$program") bytes, needs $needed"
done

if [[ -n ${SAM2:-} ]]; then
	rm -rf "$to/sam2" "$to/wheels"
	mkdir -p "$to/sam2" "$to/wheels"
	tar -C "$SAM2" --exclude=__pycache__ -cf - LICENSE sam2 | tar -C "$to/sam2" -xf -
	python3 -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$to/wheels" \
		hydra-core==1.3.8 omegaconf==2.3.1 antlr4-python3-runtime==4.9.3 iopath==0.1.10
	echo "sam2 and $(find "$to/wheels" -name '*.whl' | wc -l) wheels"
fi
tar -C "$to" -czf "$to.tar.gz" .
echo "$to.tar.gz: $(stat -c %s "$to.tar.gz") bytes"
