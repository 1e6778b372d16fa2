//go:build !nomedia

package media

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/asticode/go-astiav"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Reader decodes one video. It opens the container, chooses the streams that play by default and decodes the first
// picture at once, because only a decoded picture says for certain how large it is and which way up.
//
// A Reader runs one picture ahead of its caller: a frame lasts until the next one begins, which no packet says
// reliably when pictures are reordered, and the audio up to then goes with it.
type Reader struct {
	name   string
	log    zerolog.Logger
	fc     *astiav.FormatContext
	stop   *interrupter
	dec    *astiav.CodecContext
	packet *astiav.Packet
	frame  *astiav.Frame
	hw     *hardware // nil where the processor decodes
	conv   converter

	video, audio  *astiav.Stream // audio is nil without
	stream        *token.Stream
	width, height int // of a picture as it is stored
	orient        orientation
	stored        []uint8 // room for a picture before it is turned, nil when the video is upright

	next     *Frame  // decoded ahead, nil after the last
	nextErr  error   // why there is none
	heard    []any   // audio not yet handed out
	step     int64   // how long a frame lasts when nothing says so
	reached  float64 // seconds, the end of the farthest packet read
	ended    bool    // no more packets
	readErr  error   // why there are none, when not for the end of the file
	corrupt  Corrupt
	fields   bool   // a frame was interlaced
	fileSize int64  // -1 when unknown
	promised int    // frames that the container's index promises, 0 when there is none
	patient  func() // makes standard input block again, nil where it does not matter
}

// Frame is one decoded picture.
type Frame struct {
	Index    int
	PTS      int64 // in the stream's TimeBase, strictly increasing
	Duration int64 // until the next frame; of the last frame as far as known
	RGB      []uint8
	Audio    []any // of *Packet: what is heard before the next frame, or, after the last frame, the rest
}

// Picture is what a Writer needs to know of a source besides its size, so that the copy looks the same.
type Picture struct {
	Aspect              token.Ratio // of a pixel as displayed; zero when square or unknown
	Primaries, Transfer int         // of the RGB pixels; FFmpeg's numbers (ISO/IEC 23091-2)
	Origin              int64       // when the file begins, in the stream's TimeBase
}

// Corrupt counts what could not be decoded properly.
type Corrupt struct {
	Shown   int     // frames delivered although parts of them are made up
	Skipped int     // packets that gave no frame
	Near    float64 // seconds into the video at which it began, within what the decoder holds at once
}

// ReadOptions say how to read.
type ReadOptions struct {
	Threads  int    // of the decoder; 0 lets FFmpeg decide. With more than one, FFmpeg may hand out a frame before it knows of its damage
	Hardware string // the GPU that decodes, "cuda" or "cuda:1"; where it cannot, and with "", the processor does
	Log      zerolog.Logger
}

// Open opens a video: a file, an address that FFmpeg understands, a camera (/dev/video0), or "-" for standard input.
// What is wrong with it is a graph.BadData that begins with path.
func Open(path string, o ReadOptions) (*Reader, error) {
	installLog()
	r := &Reader{name: path, log: o.Log, packet: astiav.AllocPacket(), frame: astiav.AllocFrame()}
	if err := r.open(path, o); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Reader) open(path string, o ReadOptions) error {
	url, format, size, err := locate(path)
	if err != nil {
		return err
	}
	if path == "-" {
		r.patient = dontBlock(0)
	}
	r.fc = astiav.AllocFormatContext()
	r.stop = newInterrupter(r.fc)
	self := object(r.fc)
	if err := r.fc.OpenInput(url, format, nil); err != nil {
		r.fc = nil // freed by FFmpeg
		return r.bad("cannot be read as a video", detail(drainLog(r.log, self), err))
	}
	if err := r.fc.FindStreamInfo(nil); err != nil {
		return r.bad("cannot be read as a video", detail(drainLog(r.log, self), err))
	}
	v, a := bestStreams(r.fc)
	if v < 0 {
		return graph.Errorf(graph.BadData, "%s: has no video stream", r.name)
	}
	r.video = r.fc.Streams()[v]
	if a >= 0 {
		r.audio = r.fc.Streams()[a]
	}
	if err := r.openDecoder(o); err != nil {
		return err
	}
	return r.first(size)
}

// dontBlock lets reads of a silent pipe return, so that FFmpeg, which tries again by and by, sees an interrupt. It returns
// what makes the pipe as it was.
func dontBlock(fd int) (restore func()) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK != 0 || unix.SetNonblock(fd, true) != nil {
		return nil
	}
	return func() { _ = unix.SetNonblock(fd, false) }
}

// locate turns what a user wrote into what FFmpeg opens. size is that of a plain file, -1 for anything else.
func locate(path string) (url string, format *astiav.InputFormat, size int64, err error) {
	switch {
	case path == "-":
		return "pipe:0", nil, -1, nil
	case strings.Contains(path, "://"):
		return path, nil, -1, nil
	case strings.HasPrefix(path, "/dev/video"):
		astiav.RegisterAllDevices()
		return path, astiav.FindInputFormat("video4linux2"), -1, nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, 0, graph.Errorf(graph.BadData, "%s: no such file", path)
	case err != nil:
		var cause *fs.PathError
		errors.As(err, &cause)
		return "", nil, 0, graph.Errorf(graph.BadData, "%s: %w", path, cause.Err)
	case info.IsDir():
		return "", nil, 0, graph.Errorf(graph.BadData, "%s: is a folder; the images stage reads folders of pictures", path)
	case !info.Mode().IsRegular():
		return "file:" + path, nil, -1, nil
	case info.Size() == 0:
		return "", nil, 0, graph.Errorf(graph.BadData, "%s: is empty", path)
	}
	return "file:" + path, nil, info.Size(), nil // the prefix lets a name contain a colon
}

// detail adds to FFmpeg's general error what it last said of the matter.
func detail(said string, err error) error {
	if said == "" {
		return err
	}
	return fmt.Errorf("%s (%w)", strings.TrimSuffix(said, "."), err)
}

func (r *Reader) bad(what string, err error) error {
	return graph.Errorf(graph.BadData, "%s: %s: %w", r.name, what, err)
}

func (r *Reader) openDecoder(o ReadOptions) error {
	params := r.video.CodecParameters()
	codec := astiav.FindDecoder(params.CodecID())
	if codec == nil {
		return graph.Errorf(graph.BadData, "%s: no decoder for %s video", r.name, params.CodecID().Name())
	}
	r.dec = astiav.AllocCodecContext(codec)
	if err := params.ToCodecContext(r.dec); err != nil {
		return r.bad(codec.Name(), err)
	}
	if o.Hardware != "" {
		if err := r.useHardware(codec, o.Hardware); err != nil {
			r.onProcessor(o.Hardware, err)
		}
	}
	options := astiav.NewDictionary()
	defer options.Free()
	options.Set("threads", strconv.Itoa(o.Threads), 0)
	options.Set("flags", "unaligned", 0) // else FFmpeg keeps columns that the stream cuts off at the left
	options.Set("pkt_timebase", r.video.TimeBase().String(), 0)
	if err := r.dec.Open(codec, options); err != nil {
		return r.bad(codec.Name(), err)
	}
	return nil
}

// first decodes the first picture and describes the stream by it.
func (r *Reader) first(fileSize int64) error {
	tb, rate := r.video.TimeBase(), r.video.AvgFrameRate()
	if rate.Num() <= 0 || rate.Den() <= 0 {
		rate = r.video.RFrameRate()
	}
	r.stream = &token.Stream{ID: r.name, TimeBase: ratio(tb), Rate: ratio(rate)}
	r.step = 1
	if rate.Num() > 0 && rate.Den() > 0 {
		r.step = max(1, rescale(1, rate.Den(), rate.Num(), tb))
	}
	p, err := r.decode()
	switch {
	case err == io.EOF:
		return r.bad("no frame can be decoded", r.whyNothing())
	case err != nil:
		return err
	}
	r.width, r.height = p.width, p.height
	r.setOrientation(p)
	r.stream.Width, r.stream.Height = r.orient.size(p.width, p.height)
	origin := int64(0)
	if start := r.fc.StartTime(); start != astiav.NoPtsValue {
		origin = rescale(start, 1, 1_000_000, tb)
	}
	aspect := r.fc.GuessSampleAspectRatio(r.video, r.frame)
	if r.orient.turned() {
		aspect = astiav.NewRational(aspect.Den(), aspect.Num())
	}
	info := Picture{Primaries: p.look.primaries, Transfer: p.look.transfer, Origin: origin}
	if p.look.hdr() { // it is toned to SDR
		info.Primaries, info.Transfer = primariesBT709, transferBT709
	}
	if aspect.Num() > 0 && aspect.Den() > 0 && aspect.Num() != aspect.Den() {
		info.Aspect = ratio(aspect)
		r.noteAspect(info.Aspect)
	}
	r.stream.Picture = info
	r.noteColours(p.look)
	if r.audio != nil {
		r.stream.Audio = newTrack(r.audio)
	}
	r.fileSize = fileSize
	if strings.HasPrefix(r.fc.InputFormat().Name(), "mov") && r.video.NbFrames() > 0 {
		if fileSize < 0 {
			fileSize = math.MaxInt64 // a pipe has to be believed
		}
		r.promised, r.stream.Frames = indexed(r.video, fileSize)
	}
	r.next, err = r.finish(p, nil)
	return err
}

func (r *Reader) whyNothing() error {
	if r.readErr != nil {
		return r.readErr
	}
	return fmt.Errorf("%d packets are corrupt", r.corrupt.Skipped)
}

func (r *Reader) setOrientation(p picture) {
	m := streamMatrix(r.video)
	if m == nil {
		m = p.matrix
	}
	var ok bool
	if r.orient, ok = orient(m); !ok {
		r.log.Warn().Msgf("%s: is turned by other than quarter turns; shown as it is stored", r.name)
	}
	if r.orient != upright {
		r.stored = NewRGB(p.height, p.width*3)
	}
}

// Stream describes the video; it is complete from the start.
func (r *Reader) Stream() *token.Stream { return r.stream }

// Corrupt returns what was counted so far.
func (r *Reader) Corrupt() Corrupt { return r.corrupt }

// Interrupt makes a read that blocks return soon. It may be called from any goroutine, at any time.
func (r *Reader) Interrupt() {
	if r.stop != nil {
		r.stop.interrupt()
	}
}

// Close frees everything but the frames handed out, which are the caller's.
func (r *Reader) Close() {
	if r.dec != nil {
		r.freeHardware()
		r.dec.Free()
		r.dec = nil
	}
	if r.fc != nil {
		r.fc.CloseInput()
		r.fc = nil
	}
	if r.patient != nil {
		r.patient()
		r.patient = nil
	}
	if r.stop != nil {
		r.stop.release()
	}
	if r.packet != nil {
		r.packet.Free()
		r.frame.Free()
		r.packet = nil
	}
	r.conv.free()
	drainLog(r.log, nil)
}

func ratio(r astiav.Rational) token.Ratio { return token.Ratio{Num: r.Num(), Den: r.Den()} }

// rescale converts n units of num/den seconds into units of a time base, rounding to nearest.
func rescale(n int64, num, den int, tb astiav.Rational) int64 {
	return astiav.RescaleQ(n, astiav.NewRational(num, den), tb)
}

// Rereadable says whether opening path twice gives the same video twice: false for standard input and named pipes.
func Rereadable(path string) bool {
	if path == "-" {
		return false
	}
	info, err := os.Stat(path)
	return err != nil || info.Mode()&fs.ModeNamedPipe == 0
}
