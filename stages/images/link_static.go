//go:build nomedia

package images

// A program for bare machines carries libjpeg within itself.

// #cgo LDFLAGS: -l:libjpeg.a
import "C"
