//go:build !nomedia

package images

// #cgo LDFLAGS: -ljpeg
import "C"
