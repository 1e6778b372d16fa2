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

// object returns the FFmpeg object behind one of astiav's, each of which is a struct that begins
// with the pointer.
func object[T any](p *T) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(p)) }

func formatContext(fc *astiav.FormatContext) *C.AVFormatContext {
	return (*C.AVFormatContext)(object(fc))
}

func frameOf(f *astiav.Frame) *C.AVFrame { return (*C.AVFrame)(f.UnsafePointer()) }

// complaints counts the errors that a reader's demuxer and decoder log.
type complaints struct{ c *C.tachi_complaints }

func newComplaints(fc *astiav.FormatContext) complaints {
	c := C.tachi_complaints_new()
	C.tachi_count_demuxer(formatContext(fc), c)
	return complaints{c}
}

// of makes a decoder that is not open yet count as well.
func (c complaints) of(dec *astiav.CodecContext) {
	C.tachi_count_decoder((*C.AVCodecContext)(object(dec)), c.c)
}

// demuxer returns how many errors the demuxer has logged since the last time.
func (c complaints) demuxer() int { return int(C.tachi_taken(&c.c.demuxer)) }

// decoder is the same for the decoder.
func (c complaints) decoder() int { return int(C.tachi_taken(&c.c.decoder)) }

// free is for when both are closed.
func (c *complaints) free() {
	C.av_free(unsafe.Pointer(c.c))
	c.c = nil
}

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

// bestStreams picks the video and audio streams that play by default, -1 for none, and silences all
// others.
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

// timesJump reports whether times may jump in a container of this format, as in a transport stream.
func timesJump(fc *astiav.FormatContext) bool { return C.tachi_times_jump(formatContext(fc)) != 0 }

// seekable reports whether an input can go back; a pipe cannot.
func seekable(fc *astiav.FormatContext) bool { return C.tachi_seekable(formatContext(fc)) != 0 }

// position returns how many bytes of an input were read, -1 when that means nothing.
func position(fc *astiav.FormatContext) int64 { return int64(C.tachi_position(formatContext(fc))) }

// wrapBits returns how many bits the container has for a time.
func wrapBits(st *astiav.Stream) int {
	return int(C.tachi_wrap_bits((*C.AVStream)(object(st))))
}

// oneToOne reports whether each packet of a stream is a whole picture, as far as its description
// says: a field is not.
func oneToOne(st *astiav.Stream) bool { return C.tachi_one_to_one((*C.AVStream)(object(st))) != 0 }

// intraOnly reports whether every picture of a codec stands for itself, so that none is reordered.
func intraOnly(codec astiav.CodecID) bool { return C.tachi_intra_only(C.enum_AVCodecID(codec)) != 0 }

// indexed counts the samples of an mp4's index that are shown, and those of them that lie whole in
// a file of size bytes.
func indexed(st *astiav.Stream, size int64) (shown, whole int) {
	var s, w C.int
	C.tachi_index((*C.AVStream)(object(st)), C.int64_t(size), &s, &w)
	return int(s), int(w)
}

// mp4Takes reports whether an mp4 can hold the audio of a track, as far as the track itself tells,
// or a packet of it.
func mp4Takes(t *Track, packet *astiav.Packet) bool {
	par := (*C.AVCodecParameters)(object(t.params))
	var p *C.AVPacket
	if packet != nil {
		p = (*C.AVPacket)(object(packet))
	}
	return C.tachi_mp4_refuses(par, C.AVRational{num: C.int(t.TimeBase.Num), den: C.int(t.TimeBase.Den)}, p) == 0
}

// picture is what a decoded frame says of itself.
type picture struct {
	width, height int
	look          look
	interlaced    bool
	pts, duration int64
	packet        int64 // time of the packet that it was decoded from
	corrupt       bool
	matrix        *[9]int32 // display matrix, nil without
}

func describe(f *astiav.Frame) picture {
	var p C.tachi_picture
	C.tachi_describe(frameOf(f), &p)
	out := picture{
		width: int(p.width), height: int(p.height),
		look: look{space: int(p.space), primaries: int(p.primaries), transfer: int(p.transfer),
			depth: int(p.depth), full: p.full != 0, rgb: p.rgb != 0},
		interlaced: p.interlaced != 0,
		pts:        int64(p.pts), packet: int64(p.packet), duration: int64(p.duration),
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
// A frame becomes the pixels that FFmpeg's own tools make of it, and decord, with which the
// reference reads videos: swscale with its default flags, and with the matrix and range that the
// frame is tagged with; an untagged frame is taken as BT.601 in limited range whatever its size.
// What swscale gets wrong is converted by colours.
type converter struct {
	c       C.tachi_converter
	colours *C.tachi_colours // nil while none were needed
	look    look             // that they are for
}

// slack is how far behind the last row swscale's vector code may be allowed to write.
const slack = 64

// NewRGB returns height*stride bytes, with room behind them for what FFmpeg reads and writes past
// the end.
func NewRGB(height, stride int) []uint8 {
	n := height * stride
	return make([]uint8, n+slack)[:n]
}

// toRGB fills rgb (height rows of width*3 bytes, from NewRGB) from a decoded frame.
func (c *converter) toRGB(f *astiav.Frame, l look, rgb []uint8, stride int) error {
	if l.ours() {
		if c.colours == nil || c.look != l {
			c.colours, c.look = l.colours(), l
		}
		return converted(C.tachi_to_rgb_by(&c.c, c.colours, frameOf(f), (*C.uint8_t)(unsafe.SliceData(rgb)), C.int(stride)), f)
	}
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
