//go:build !nomedia

package media

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/asticode/go-astiav"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Reader decodes one video. It opens the container, chooses the streams that play by default and
// decodes the first picture at once, because only a decoded picture says for certain how large it
// is and which way up.
//
// A Reader runs one picture ahead of its caller: a frame lasts until the next one begins, which no
// packet says reliably when pictures are reordered, and the audio up to then goes with it.
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

	next         *Frame // decoded ahead, nil after the last
	nextErr      error  // why there is none
	pendingAudio []any  // audio not yet handed out
	step         int64  // how long a frame lasts when nothing says so
	steady       bool   // every frame lasts as long
	begin        int64  // the time of frame 0
	timeline     timeline

	held            *astiav.Packet // read ahead, nil without
	lookahead       bool           // always read one ahead
	ended           bool           // no more packets
	readErr         error          // why there are none, when not for the end of the file
	restoreBlocking func()         // makes standard input block again, nil where it does not matter

	packetLog  packetLog
	corrupt    Corrupt
	complaints complaints
	demuxer    int // errors that it logged since the last frame

	finite        bool    // a file or a pipe
	fileSize      int64   // -1 when unknown
	sized         size    // what the container says of it
	indexedFrames int     // frames that the container's index promises, 0 when there is none
	packets       int     // of video, read so far
	reached       float64 // seconds, the end of the farthest packet read
	end           int64   // of the last packet, in bytes of the input; 0 when unknown
	ragged        bool    // the file ends in the middle of a picture
	fields        bool    // a frame was interlaced
}

// Frame is one decoded picture.
type Frame struct {
	Index    int
	PTS      int64 // in the stream's TimeBase, strictly increasing
	Duration int64 // until the next frame; of the last frame as far as known
	RGB      []uint8
	Audio    []any // of *Packet: what is heard before the next frame, or, after the last frame, the rest
	Lost     int   // frames before this one that gave no picture

	damaged bool
}

// Picture is what a Writer needs to know of a source besides its size, so that the copy looks the
// same.
type Picture struct {
	Aspect              token.Ratio // of a pixel as displayed; zero when square or unknown
	Primaries, Transfer int         // of the RGB pixels; FFmpeg's numbers (ISO/IEC 23091-2)
	Origin              int64       // when the file begins, in the stream's TimeBase
}

// ReadOptions say how to read.
type ReadOptions struct {
	Threads  int    // of the decoder; 0 lets FFmpeg decide. With more than one, FFmpeg may hand out a frame before it knows of its damage
	Hardware string // the GPU that decodes, "cuda" or "cuda:1"; where it cannot, and with "", the processor does
	Log      zerolog.Logger
}

// Open opens a video: a file, an address that FFmpeg understands, a camera (/dev/video0), or "-"
// for standard input. What is wrong with it is a graph.BadData that begins with path.
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
		r.restoreBlocking = dontBlock(0)
	}
	r.fc = astiav.AllocFormatContext()
	r.stop = newInterrupter(r.fc)
	r.complaints = newComplaints(r.fc)
	r.finite = !strings.Contains(path, "://") && !strings.HasPrefix(path, "/dev/video")
	r.lookahead, r.fileSize = size >= 0, size
	self := object(r.fc)
	if err := r.fc.OpenInput(url, format, nil); err != nil {
		r.fc = nil // freed by FFmpeg
		return r.unreadable(detail(drainLog(r.log, self), err))
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
	if size >= 0 {
		r.sized = sized(path, r.fc.InputFormat().Name(), size)
	}
	return r.first(size)
}

// dontBlock lets reads of a silent pipe return, so that FFmpeg, which tries again by and by, sees
// an interrupt. It returns what makes the pipe as it was.
func dontBlock(fd int) (restore func()) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK != 0 || unix.SetNonblock(fd, true) != nil {
		return nil
	}
	return func() { _ = unix.SetNonblock(fd, false) }
}

// locate turns what a user wrote into what FFmpeg opens. size is that of a plain file, -1 for
// anything else.
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
	r.complaints.of(r.dec)
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
	r.steady = ratio(rate) == ratio(r.video.RFrameRate()) && rate.Num() > 0
	r.timeline = newTimeline(r.fc, r.video, r.audio, float64(r.step)*tb.Float64())
	r.packetLog = r.newPacketLog()
	_, _ = r.complaints.demuxer(), r.complaints.decoder() // what they said of the file's header
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
	if strings.HasPrefix(r.fc.InputFormat().Name(), "mov") && r.video.NbFrames() > 0 {
		if fileSize < 0 {
			fileSize = math.MaxInt64 // a pipe has to be believed
		}
		r.indexedFrames, r.stream.Frames = indexed(r.video, fileSize)
	}
	if r.begin = p.pts; p.pts == astiav.NoPtsValue {
		r.begin = 0
	}
	r.next, err = r.finish(p, nil)
	return err
}

// whyNothing says why a video gave no picture at all.
func (r *Reader) whyNothing() error {
	codec := r.video.CodecParameters().CodecID().Name()
	said := drainLog(r.log, object(r.dec))
	switch {
	case r.packets == 0 && strings.HasPrefix(r.fc.InputFormat().Name(), "mov") && !seekable(r.fc):
		return errors.New("its index stands at the end, and a pipe cannot go back to the pictures: " +
			"give the file itself, or write it with its index in front (ffmpeg -i IN -c copy -movflags +faststart OUT)")
	case r.cut():
		return cutShort
	case r.readErr != nil:
		return r.readErr
	case r.packetLog.animated || codec == "webp_anim": // FFmpeg 9 has a decoder for it
		return errors.New("it is an animated WebP, which this FFmpeg cannot read")
	case r.packets == 0:
		return fmt.Errorf("there is nothing in its %s stream", codec)
	}
	return detail(said, fmt.Errorf("this FFmpeg's %s decoder gives no picture of its %d packets", codec, r.packets))
}

// headerless are the names of files that hold raw pictures and nothing that says what they are.
var headerless = []string{".yuv", ".rgb", ".bgr", ".rgba", ".bgra", ".raw", ".nv12", ".nv21", ".i420", ".yv12", ".yuy2", ".yuyv", ".uyvy", ".p010", ".cif", ".qcif"}

// unreadable makes the error of a file that FFmpeg does not open.
func (r *Reader) unreadable(err error) error {
	if ext := strings.ToLower(filepath.Ext(r.name)); slices.Contains(headerless, ext) {
		return r.bad("cannot be read as a video", fmt.Errorf("a %s file holds raw pictures and neither their size nor their format: convert it first "+
			"(ffmpeg -f rawvideo -video_size WxH -pixel_format yuv420p -framerate R -i IN OUT.y4m)", ext))
	}
	return r.bad("cannot be read as a video", err)
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

// Jumps returns the jumps in time so far.
func (r *Reader) Jumps() Jumps { return r.timeline.jumps }

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
	if r.restoreBlocking != nil {
		r.restoreBlocking()
		r.restoreBlocking = nil
	}
	if r.stop != nil {
		r.stop.release()
	}
	r.complaints.free()
	if r.held != nil {
		r.held.Free()
		r.held = nil
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

// Rereadable reports whether opening path twice gives the same video twice: false for standard
// input and named pipes.
func Rereadable(path string) bool {
	if path == "-" {
		return false
	}
	info, err := os.Stat(path)
	return err != nil || info.Mode()&fs.ModeNamedPipe == 0
}
