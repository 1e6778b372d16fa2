//go:build !nomedia

package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/asticode/go-astiav"

	"github.com/seed49bbd0e6/tachi/graph"
)

// Whether a video that ends is whole is judged by the strongest promise that its container makes:
//
//   - an mp4 has an index of all samples and says where each lies;
//   - a Matroska file and an AVI say how many bytes they have;
//   - many say how long they last, or how many frames they have: more than a twentieth must be missing;
//   - transport streams, raw streams and what was recorded live promise nothing. Such a file is cut short only
//     when it ends in the middle of a picture.
//
// What the cut went through is left out.

// size is what a container says of its own size in bytes.
type size int

const (
	unsaid size = iota // nothing
	held               // no more than the file has
	broken             // more
)

// sized compares the size that a file says it has with the one that it has.
func sized(path, format string, bytes int64) size {
	f, err := os.Open(path)
	if err != nil {
		return unsaid
	}
	defer f.Close()
	end := int64(-1)
	switch {
	case strings.HasPrefix(format, "matroska"):
		end = segmentEnd(f)
	case format == "avi":
		end = riffEnd(f, bytes)
	case format == "gif":
		end = gifEnd(f, bytes)
	case format == "ogg":
		if end = pageEnd(f, bytes); end == bytes {
			return unsaid // it may still lack pages
		}
	}
	switch {
	case end < 0:
		return unsaid
	case end > bytes:
		return broken
	}
	return held
}

// segmentEnd returns where the first segment of a Matroska file ends, -1 when that is not said, as
// in one that was recorded live.
func segmentEnd(f io.ReaderAt) int64 {
	const header, segment = 0x1a45dfa3, 0x18538067
	at := int64(0)
	for _, id := range []uint32{header, segment} {
		var b [12]byte
		if n, _ := f.ReadAt(b[:], at); n < len(b) || binary.BigEndian.Uint32(b[:]) != id {
			return -1
		}
		width := 1 // of the size: as many bytes as there are zeros before its first bit, and one
		for ; width <= 8 && b[4]>>(8-width)&1 == 0; width++ {
		}
		if width > 8 {
			return -1
		}
		length, ones := uint64(b[4])&(1<<(8-width)-1), uint64(1)<<(7*width)-1
		for _, next := range b[5 : 4+width] {
			length = length<<8 | uint64(next)
		}
		if length == ones || length > math.MaxInt64/2 {
			return -1
		}
		at += 4 + int64(width)
		if at += int64(length); id == segment {
			return at
		}
	}
	return -1
}

// riffEnd returns where the last RIFF chunk of an AVI ends, -1 when a size was never filled in.
func riffEnd(f io.ReaderAt, bytes int64) int64 {
	const sloppy = 16 // some writers count the chunk's own header as well
	end := int64(-1)
	for at := int64(0); at+12 <= bytes; {
		var b [8]byte
		if _, err := f.ReadAt(b[:], at); err != nil || string(b[:4]) != "RIFF" {
			break
		}
		length := binary.LittleEndian.Uint32(b[4:])
		if length == 0 || length == math.MaxUint32 {
			return -1
		}
		at += 8 + int64(length) + int64(length&1)
		end = at - sloppy
	}
	return end
}

// gifEnd returns the end of a GIF whose last byte is its trailer, or else an end beyond that of the
// file. Zeros may follow it.
func gifEnd(f io.ReaderAt, bytes int64) int64 {
	const trailer = 0x3b
	var tail [64]byte
	n, _ := f.ReadAt(tail[:], max(0, bytes-int64(len(tail))))
	for n > 0 && tail[n-1] == 0 {
		n--
	}
	if n > 0 && tail[n-1] == trailer {
		return bytes
	}
	return bytes + 1
}

// pageEnd returns where the last page of an Ogg file ends.
func pageEnd(f io.ReaderAt, bytes int64) int64 {
	const largest = 27 + 255 + 255*255
	tail := make([]byte, min(bytes, 2*largest))
	from := bytes - int64(len(tail))
	if _, err := f.ReadAt(tail, from); err != nil && err != io.EOF {
		return -1
	}
	at := strings.LastIndex(string(tail), "OggS\x00")
	if at < 0 || at+27 > len(tail) {
		return bytes + 1
	}
	table := tail[at+27:]
	segments := int(tail[at+26])
	if segments > len(table) {
		return bytes + 1
	}
	length := 27 + segments
	for _, n := range table[:segments] {
		length += int(n)
	}
	return from + int64(at+length)
}

// reach notes that a stream reaches as far as a time.
func (r *Reader) reach(end int64, st *astiav.Stream) {
	r.reached = max(r.reached, float64(end)*st.TimeBase().Float64())
}

// measure notes how far into the video the packet reaches, and how many there are.
func (r *Reader) measure() {
	r.packets++
	at := r.packet.Pts()
	if at == astiav.NoPtsValue {
		at = r.packet.Dts() // AVI has no other
	}
	if at != astiav.NoPtsValue {
		r.reach(at+r.packet.Duration(), r.video)
	}
	if r.packet.Pos() >= 0 {
		r.end = r.packet.Pos() + int64(r.packet.Size())
	}
}

// cut reports whether the file lacks what its container says that it has.
func (r *Reader) cut() bool { return r.indexedFrames > r.stream.Frames || r.sized == broken }

// certain reports whether the container knows what it has, and the file has it.
func (r *Reader) certain() bool {
	return r.fileSize >= 0 && (r.indexedFrames > 0 || r.sized == held) && !r.cut()
}

// mayBeCut reports whether damage at the end may come from a cut: streams from a network have no
// end of their own.
func (r *Reader) mayBeCut() bool { return r.finite && !r.certain() }

// verdict returns an error unless the end after frame last is the true one.
func (r *Reader) verdict(last int) error {
	switch {
	case r.cut(), r.ragged:
		return r.early(last, cutShort)
	case r.readErr != nil:
		return r.early(last, r.readErr)
	case !r.certain() && (r.tooShort() || r.leftOver()):
		return r.early(last, cutShort)
	}
	return io.EOF
}

// tooShort compares what came with the length that the container announces. Some count it from zero
// although their times begin later, and some do not, so that a video is long enough when it is by
// either.
func (r *Reader) tooShort() bool {
	if !headerDuration(r.fc) || r.video.NbFrames() > 0 && int64(r.packets) >= r.video.NbFrames() {
		return false
	}
	announced, start := r.announced(), min(0, float64(r.fc.StartTime())/1e6)
	length := announced - max(0, float64(r.fc.StartTime())/1e6)
	return announced-(r.reached-start) > max(length/20, 3/max(1, r.stream.Rate.Float()))
}

// announced returns the seconds that the container says it lasts.
func (r *Reader) announced() float64 {
	if rate := r.stream.Rate.Float(); r.fc.InputFormat().Name() == "avi" && rate > 0 {
		const unwritten = 1 << 30                             // what FFmpeg puts where it cannot go back to
		if frames := r.video.NbFrames(); frames < unwritten { // FFmpeg's length is of the index, which a cut file has lost
			return float64(frames) / rate
		}
		return 0
	}
	return float64(r.fc.Duration()) / 1e6
}

// leftOver reports whether bytes lie behind the last picture of a file that holds nothing but
// pictures: a piece of the next one.
func (r *Reader) leftOver() bool {
	return r.fc.InputFormat().Name() == "yuv4mpegpipe" && r.end > 0 && position(r.fc) > r.end
}

var cutShort = errors.New("the file is cut short")

// early makes the error of an end after frame last that came too soon.
func (r *Reader) early(last int, why error) error {
	expected, about := r.indexedFrames, ""
	if expected == 0 && headerDuration(r.fc) {
		length := r.announced()
		if strings.HasPrefix(r.fc.InputFormat().Name(), "matroska") { // FFmpeg counts it from zero
			length -= max(0, float64(r.fc.StartTime())/1e6)
		}
		expected, about = int(math.Round(length*r.stream.Rate.Float())), "about "
	}
	of := ""
	if expected > last+1 {
		of = fmt.Sprintf(" (%d of %s%d)", last+1, about, expected)
	}
	return graph.Errorf(graph.Incomplete, "%s: ends early after frame %d%s: %w", r.name, last, of, why)
}
