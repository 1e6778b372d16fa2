#!/usr/bin/env bash
# Prints, for eval, the environment in which cgo builds the tag cuda: where cuda.h is, and a libcuda.so to link against.
#
# cuda.h is NVIDIA's, so that it is never in this repository: it comes from the folder CUDA_INCLUDE, or else from the
# wheel of the CUDA runtime, once, into a cache. It has to be of CUDA 12; the program runs on newer drivers all the same.
# The libcuda.so is empty: package libcuda defines all of it, and loads the real one when it is asked to.
set -euo pipefail

wheel=nvidia-cuda-runtime-cu12==12.4.127
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tachi/cuda
include=${CUDA_INCLUDE:-$cache/include}
mkdir -p "$cache/lib"

if [ ! -e "$include/cuda.h" ]; then
	if [ -n "${CUDA_INCLUDE:-}" ]; then
		echo "CUDA_INCLUDE=$CUDA_INCLUDE: there is no cuda.h" >&2
		exit 1
	fi
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
		--platform manylinux2014_x86_64 --dest "$work" "$wheel" >&2 || {
		echo "missing: cuda.h of CUDA 12: set CUDA_INCLUDE to its folder, or see that python3 -m pip can download $wheel" >&2
		exit 1
	}
	python3 -m zipfile -e "$work"/*.whl "$work/wheel"
	mkdir -p "$include"
	cp "$work/wheel/nvidia/cuda_runtime/include/cuda.h" "$include/.cuda.h"
	mv "$include/.cuda.h" "$include/cuda.h" # whole or not at all
fi
if [ ! -e "$cache/lib/libcuda.so" ]; then
	"${CC:-gcc}" -shared -nostdlib -Wl,-soname,libcuda.so.1 -x c /dev/null -o "$cache/lib/.libcuda.so"
	mv "$cache/lib/.libcuda.so" "$cache/lib/libcuda.so"
fi

printf "export CGO_CFLAGS='-O2 -g -I%s' CGO_LDFLAGS='-O2 -g -L%s -Wl,--as-needed'\n" "$include" "$cache/lib"
