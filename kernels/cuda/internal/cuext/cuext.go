//go:build cuda

// Package cuext adds to gorgonia.org/cu what it lacks: pinned memory, launches whose arguments are
// one packed struct, more than 48 KB of shared memory, the log of the PTX compiler, captured
// graphs.
//
// A context of CUDA is current in a thread of the system, which a goroutine may leave between any
// two calls. So every function here takes the context, and makes it current in the same call of C
// as what it does.
package cuext

/*
#include <cuda.h>
#include <stdlib.h>
#include <string.h>

#define IN(ctx) do { CUresult r = cuCtxSetCurrent(ctx); if (r) return r; } while (0)
#define TRY(call) do { CUresult r = (call); if (r) return r; } while (0)

static CUresult host_alloc(CUcontext ctx, void **p, size_t n) {
	IN(ctx);
	return cuMemHostAlloc(p, n, 0);
}

static CUresult host_free(CUcontext ctx, void *p) {
	IN(ctx);
	return cuMemFreeHost(p);
}

static CUresult load(CUcontext ctx, CUmodule *m, const char *image, char *log, size_t size) {
	IN(ctx);
	CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
	void *values[] = {log, (void *)size};
	return cuModuleLoadDataEx(m, image, 2, options, values);
}

static CUresult shared(CUcontext ctx, CUfunction f, int bytes) {
	IN(ctx);
	return cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes);
}

static CUresult launch(CUcontext ctx, CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
		unsigned shared, CUstream s, void *args, size_t size) {
	IN(ctx);
	void *packed[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, args, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
	return cuLaunchKernel(f, gx, gy, gz, bx, by, bz, shared, s, NULL, packed);
}

static CUresult upload(CUcontext ctx, CUdeviceptr dst, const void *src, size_t n, CUstream s, CUevent done) {
	IN(ctx);
	TRY(cuMemcpyHtoDAsync(dst, src, n, s));
	return cuEventRecord(done, s);
}

static CUresult download(CUcontext ctx, void *dst, CUdeviceptr src, size_t n, CUstream s, CUevent done) {
	IN(ctx);
	TRY(cuMemcpyDtoHAsync(dst, src, n, s));
	return cuEventRecord(done, s);
}

static CUresult event_wait(CUcontext ctx, CUevent e) {
	IN(ctx);
	return cuEventSynchronize(e);
}

static CUresult stream_wait(CUcontext ctx, CUstream s) {
	IN(ctx);
	return cuStreamSynchronize(s);
}

static CUresult capture_begin(CUcontext ctx, CUstream s) {
	IN(ctx);
	return cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_RELAXED);
}

static CUresult capture_end(CUcontext ctx, CUstream s, CUgraphExec *exec) {
	IN(ctx);
	CUgraph graph = NULL;
	TRY(cuStreamEndCapture(s, &graph));
	CUresult r = cuGraphInstantiateWithFlags(exec, graph, 0);
	cuGraphDestroy(graph);
	return r;
}

static CUresult graph_launch(CUcontext ctx, CUgraphExec exec, CUstream s) {
	IN(ctx);
	return cuGraphLaunch(exec, s);
}

static CUresult graph_free(CUcontext ctx, CUgraphExec exec) {
	IN(ctx);
	return cuGraphExecDestroy(exec);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"gorgonia.org/cu"
)

// Error is a result of the driver other than success.
type Error struct {
	Code int    // CUresult
	Log  string // what the PTX compiler said, if it was asked
}

func (e *Error) Error() string {
	var name, text *C.char
	C.cuGetErrorName(C.CUresult(e.Code), &name)
	C.cuGetErrorString(C.CUresult(e.Code), &text)
	s := fmt.Sprintf("CUDA error %d", e.Code)
	if name != nil && text != nil {
		s = fmt.Sprintf("%s (%s, %d)", C.GoString(text), C.GoString(name), e.Code)
	}
	if e.Log != "" {
		s += ": " + e.Log
	}
	return s
}

func result(r C.CUresult) error {
	if r == C.CUDA_SUCCESS {
		return nil
	}
	return &Error{Code: int(r)}
}

// Of returns an error of gorgonia.org/cu as one of this package, whose numbers it does not hide.
func Of(err error) error {
	if _, ok := errors.AsType[*Error](err); err == nil || ok {
		return err
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Int {
		return &Error{Code: int(v.Int())}
	}
	return err
}

// The handles of gorgonia.org/cu are structs of one pointer, which is the handle of C.

func context(c cu.CUContext) C.CUcontext  { return *(*C.CUcontext)(unsafe.Pointer(&c)) }
func stream(s cu.Stream) C.CUstream       { return *(*C.CUstream)(unsafe.Pointer(&s)) }
func event(e cu.Event) C.CUevent          { return *(*C.CUevent)(unsafe.Pointer(&e)) }
func function(f cu.Function) C.CUfunction { return *(*C.CUfunction)(unsafe.Pointer(&f)) }
func moduleOf(m C.CUmodule) cu.Module     { return *(*cu.Module)(unsafe.Pointer(&m)) }

// HostAlloc returns page-locked memory, which the device copies from and to on its own.
func HostAlloc(ctx cu.CUContext, n int) ([]byte, error) {
	var p unsafe.Pointer
	if err := result(C.host_alloc(context(ctx), &p, C.size_t(n))); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), n), nil
}

// HostFree frees memory of HostAlloc.
func HostFree(ctx cu.CUContext, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return result(C.host_free(context(ctx), unsafe.Pointer(&b[0])))
}

// Load compiles PTX for the device and loads it.
func Load(ctx cu.CUContext, ptx string) (cu.Module, error) {
	const size = 16 << 10
	image, log := C.CString(ptx), (*C.char)(C.calloc(size, 1))
	defer C.free(unsafe.Pointer(image))
	defer C.free(unsafe.Pointer(log))
	var m C.CUmodule
	if r := C.load(context(ctx), &m, image, log, size-1); r != C.CUDA_SUCCESS {
		return cu.Module{}, &Error{Code: int(r), Log: strings.TrimSpace(C.GoString(log))}
	}
	return moduleOf(m), nil
}

// AllowShared lets a kernel be launched with so much dynamic shared memory. Without, it gets 48 KB
// at most.
func AllowShared(ctx cu.CUContext, f cu.Function, bytes int) error {
	return result(C.shared(context(ctx), function(f), C.int(bytes)))
}

// Launch queues a kernel that takes the struct at args by value.
func Launch(ctx cu.CUContext, f cu.Function, grid, block [3]int, shared int, s cu.Stream, args unsafe.Pointer, size uintptr) error {
	return result(C.launch(context(ctx), function(f), C.uint(grid[0]), C.uint(grid[1]), C.uint(grid[2]),
		C.uint(block[0]), C.uint(block[1]), C.uint(block[2]), C.uint(shared), stream(s), args, C.size_t(size)))
}

// Upload queues a copy from page-locked memory, and done behind it.
func Upload(ctx cu.CUContext, dst uint64, src []byte, s cu.Stream, done cu.Event) error {
	return result(C.upload(context(ctx), C.CUdeviceptr(dst), unsafe.Pointer(&src[0]), C.size_t(len(src)), stream(s), event(done)))
}

// Download queues a copy to page-locked memory, and done behind it.
func Download(ctx cu.CUContext, dst []byte, src uint64, s cu.Stream, done cu.Event) error {
	return result(C.download(context(ctx), unsafe.Pointer(&dst[0]), C.CUdeviceptr(src), C.size_t(len(dst)), stream(s), event(done)))
}

// WaitEvent waits for an event, for ever if need be.
func WaitEvent(ctx cu.CUContext, e cu.Event) error {
	return result(C.event_wait(context(ctx), event(e)))
}

// WaitStream waits for all that is queued on a stream.
func WaitStream(ctx cu.CUContext, s cu.Stream) error {
	return result(C.stream_wait(context(ctx), stream(s)))
}

// Graph is work that was queued once and can be queued again as a whole.
type Graph struct{ exec C.CUgraphExec }

// BeginCapture makes a stream note down what it is given, and not do it.
func BeginCapture(ctx cu.CUContext, s cu.Stream) error {
	return result(C.capture_begin(context(ctx), stream(s)))
}

// EndCapture returns what the stream has noted since BeginCapture.
func EndCapture(ctx cu.CUContext, s cu.Stream) (g Graph, err error) {
	return g, result(C.capture_end(context(ctx), stream(s), &g.exec))
}

// Launch queues the graph.
func (g Graph) Launch(ctx cu.CUContext, s cu.Stream) error {
	return result(C.graph_launch(context(ctx), g.exec, stream(s)))
}

// Free frees the graph. What was queued of it is still done.
func (g Graph) Free(ctx cu.CUContext) error { return result(C.graph_free(context(ctx), g.exec)) }
