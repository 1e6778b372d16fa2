// Package wide has the kernels of package cpu in the sizes of AVX-512, for any processor. Tests run
// on them where there is no AVX-512, too; no program does. They are a package of their own because
// a test cannot have C, and the headers here are links to those of package cpu, so that a change of
// one compiles this package anew.
package wide

// #cgo CFLAGS: -O1 -Wall -Wno-psabi
// #include "kernels.h"
// const kernels *kernels_wide(void);
import "C"

import "unsafe"

// Kernels returns the table, a kernels of kernels.h.
func Kernels() unsafe.Pointer { return unsafe.Pointer(C.kernels_wide()) }
