//go:build cuda

// Package libcuda stands where the linker would put NVIDIA's driver library, so that a program with
// CUDA in it starts on a machine that has none.
//
// It defines every function of the driver that this program refers to (symbols.h) as a jump through
// a variable (jump_amd64.S). Until Open the variables lead to functions that fail; Open loads
// libcuda.so.1 and points them there. The exception is cuInit, which package gorgonia.org/cu calls
// when the program starts, and ends the program if it fails: here it does nothing and succeeds, and
// Open calls the real one.
package libcuda

// #cgo LDFLAGS: -ldl
// #include "libcuda.h"
import "C"

import (
	"fmt"
	"sync"
)

// A LoadError says why there is no driver library.
type LoadError struct{ Reason string }

func (e *LoadError) Error() string { return e.Reason }

// An InitError is what cuInit returned: the library is there, and finds no device that it can
// drive.
type InitError struct{ Code int }

func (e *InitError) Error() string { return fmt.Sprintf("cuInit: error %d", e.Code) }

// Open loads the driver and initialises it, once. Without it every function of the driver fails.
var Open = sync.OnceValue(func() error {
	if reason := C.libcuda_load(); reason != nil {
		return &LoadError{C.GoString(reason)}
	}
	if code := C.libcuda_init(); code != 0 {
		return &InitError{int(code)}
	}
	return nil
})
