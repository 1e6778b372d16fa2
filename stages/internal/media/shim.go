//go:build !nomedia

package media

/*
#cgo pkg-config: libavcodec libavformat libavutil libswscale
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"github.com/asticode/go-astiav"
)

// object returns the FFmpeg object behind one of astiav's, each of which is a struct that begins with the pointer.
func object[T any](p *T) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(p)) }

func formatContext(fc *astiav.FormatContext) *C.AVFormatContext {
	return (*C.AVFormatContext)(object(fc))
}

func frameOf(f *astiav.Frame) *C.AVFrame { return (*C.AVFrame)(f.UnsafePointer()) }

// interrupter makes a blocked read return. It may be used from any goroutine, also after release.
type interrupter struct {
	mu   sync.Mutex
	flag *C.int
}

func newInterrupter(fc *astiav.FormatContext) *interrupter {
	return &interrupter{flag: C.tachi_interrupt_new(formatContext(fc))}
}

func (i *interrupter) interrupt() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.flag != nil {
		C.tachi_interrupt_set(i.flag)
	}
}

func (i *interrupter) interrupted() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.flag != nil && C.tachi_interrupt_get(i.flag) != 0
}

// release frees the flag; the format context must be closed by then.
func (i *interrupter) release() {
	i.mu.Lock()
	defer i.mu.Unlock()
	C.av_free(unsafe.Pointer(i.flag))
	i.flag = nil
}

// bestStreams picks the video and audio streams that play by default, -1 for none, and silences all others.
func bestStreams(fc *astiav.FormatContext) (video, audio int) {
	c := formatContext(fc)
	video = int(C.tachi_best_stream(c, C.AVMEDIA_TYPE_VIDEO, -1))
	audio = int(C.tachi_best_stream(c, C.AVMEDIA_TYPE_AUDIO, C.int(video)))
	C.tachi_keep_streams(c, C.int(video), C.int(audio))
	return video, audio
}

// copyProperties copies what a frame says of its picture, all but the pixels.
func copyProperties(to, from *astiav.Frame) error {
	if C.av_frame_copy_props(frameOf(to), frameOf(from)) < 0 {
		return errors.New("no memory for a frame's properties")
	}
	return nil
}

// surfaces returns the bytes that the decoder of a picture on a GPU keeps pictures in there.
func surfaces(f *astiav.Frame) int { return int(C.tachi_surfaces(frameOf(f))) }

func codecContext(dec *astiav.CodecContext) *C.AVCodecContext {
	return (*C.AVCodecContext)(object(dec))
}

// flush makes a decoder forget what it holds.
func flush(dec *astiav.CodecContext) { C.tachi_flush(codecContext(dec)) }

// useDevice lets a decoder that is not open yet use a GPU: by its number, or the first one with "".
func useDevice(dec *astiav.CodecContext, kind astiav.HardwareDeviceType, number string) error {
	var n *C.char
	if number != "" {
		n = C.CString(number)
		defer C.free(unsafe.Pointer(n))
	}
	return failure(C.tachi_use_device(codecContext(dec), C.enum_AVHWDeviceType(kind), n))
}

// openOutput opens the file that a muxer writes.
func openOutput(fc *astiav.FormatContext, url string) error {
	u := C.CString(url)
	defer C.free(unsafe.Pointer(u))
	return failure(C.tachi_open_output(formatContext(fc), u))
}

// closeOutput closes the file that a muxer writes. Closing it again does nothing.
func closeOutput(fc *astiav.FormatContext) error {
	return failure(C.tachi_close_output(formatContext(fc)))
}

// failure returns what FFmpeg returned as an error, nil when it is none.
func failure(code C.int) error {
	if code < 0 {
		return astiav.Error(code)
	}
	return nil
}

func headerDuration(fc *astiav.FormatContext) bool {
	return C.tachi_header_duration(formatContext(fc)) != 0
}

// indexed counts the samples of an mp4's index that are shown, and those of them that lie whole in a file of size bytes.
func indexed(st *astiav.Stream, size int64) (shown, whole int) {
	var s, w C.int
	C.tachi_index((*C.AVStream)(object(st)), C.int64_t(size), &s, &w)
	return int(s), int(w)
}

// mp4Takes says whether packets of a codec may be put into an mp4.
func mp4Takes(codec astiav.CodecID) bool { return C.tachi_mp4_takes(C.enum_AVCodecID(codec)) != 0 }

// picture is what a decoded frame says of itself.
type picture struct {
	width, height       int
	primaries, transfer int
	pts, duration       int64
	corrupt             bool
	matrix              *[9]int32 // display matrix, nil without
}

func describe(f *astiav.Frame) picture {
	var p C.tachi_picture
	C.tachi_describe(frameOf(f), &p)
	out := picture{
		width: int(p.width), height: int(p.height),
		primaries: int(p.primaries), transfer: int(p.transfer),
		pts: int64(p.pts), duration: int64(p.duration),
		corrupt: p.corrupt != 0,
	}
	if p.oriented != 0 {
		out.matrix = (*[9]int32)(unsafe.Pointer(&p.matrix))
	}
	return out
}

// streamMatrix returns the display matrix of a container's stream, nil without.
func streamMatrix(st *astiav.Stream) *[9]int32 {
	var m [9]int32
	if C.tachi_stream_matrix((*C.AVStream)(object(st)), (*C.int32_t)(unsafe.Pointer(&m))) == 0 {
		return nil
	}
	return &m
}

// converter turns pictures into packed RGB and back. The zero value is ready.
//
// A frame becomes the pixels that FFmpeg's own tools make of it, and decord, with which the reference reads videos:
// swscale with its default flags, and with the matrix and range that the frame is tagged with; an untagged frame is taken
// as BT.601 in limited range whatever its size.
type converter struct{ c C.tachi_converter }

// slack is how far behind the last row swscale's vector code may be allowed to write.
const slack = 64

// NewRGB returns height*stride bytes, with room behind them for what FFmpeg reads and writes past the end.
func NewRGB(height, stride int) []uint8 {
	n := height * stride
	return make([]uint8, n+slack)[:n]
}

// toRGB fills rgb (height rows of width*3 bytes, from NewRGB) from a decoded frame.
func (c *converter) toRGB(f *astiav.Frame, rgb []uint8, stride int) error {
	return converted(C.tachi_to_rgb(&c.c, frameOf(f), (*C.uint8_t)(unsafe.SliceData(rgb)), C.int(stride)), f)
}

// fromRGB fills a frame in BT.709, limited range.
func (c *converter) fromRGB(rgb []uint8, stride int, f *astiav.Frame) error {
	return converted(C.tachi_from_rgb(&c.c, (*C.uint8_t)(unsafe.SliceData(rgb)), C.int(stride), frameOf(f)), f)
}

func (c *converter) free() { C.tachi_converter_free(&c.c) }

func converted(rows C.int, f *astiav.Frame) error {
	if rows < 0 {
		return fmt.Errorf("pixel format %s: %w", f.PixelFormat(), astiav.Error(rows))
	}
	return nil
}
