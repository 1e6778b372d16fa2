//go:build !nomedia

package media

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"syscall"

	"github.com/asticode/go-astiav"
	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Writer makes an mp4 of H.264 (libx264, 4:2:0, BT.709 in limited range, tagged so) that plays in a
// browser: the index stands at the front. Audio packets are copied. Sizes are padded to even
// numbers by repeating the last column and row, because 4:2:0 has no others.
type Writer struct {
	o      WriterOptions
	fc     *astiav.FormatContext
	enc    *astiav.CodecContext
	video  *astiav.Stream
	audio  *astiav.Stream // nil without
	frame  *astiav.Frame
	packet *astiav.Packet
	conv   converter
	gaps   gaps

	width, height int             // even
	canvas        []uint8         // one padded picture, nil while none is needed
	lasts         map[int64]int64 // durations of the frames inside the encoder, by pts
	origin        int64           // pts that becomes time 0
	hurt          bool            // some of it was damaged
	tried         bool            // the audio's first packet was
	lastAudio     int64           // dts of the last audio packet, in the stream's time base
	err           error           // the first error of the muxer: nothing can be written after it
}

// WriterOptions say what to write. Width, Height, TimeBase and CRF are needed, the rest may be
// zero.
type WriterOptions struct {
	Width, Height int         // of the pictures given to Write
	TimeBase      token.Ratio // of the times given to Write
	Rate          token.Ratio // average frames per second, a hint for the encoder
	Picture       Picture     // of the source
	Audio         *Track      // nil: none
	CRF           int         // constant rate factor, 0 (lossless) to 51; 20 is hard to tell from the source
	Preset        string      // of x264; "" is its own default, medium
	Threads       int         // of the encoder; 0 lets x264 decide
	Log           zerolog.Logger
}

// mostPixels is the longest side that x264 takes.
const mostPixels = 16384

// NewWriter opens an mp4 at path, whatever its name, replacing what is there.
func NewWriter(path string, o WriterOptions) (*Writer, error) {
	installLog()
	w := &Writer{
		o: o, frame: astiav.AllocFrame(), packet: astiav.AllocPacket(),
		width: (o.Width + 1) &^ 1, height: (o.Height + 1) &^ 1,
		lasts: map[int64]int64{}, origin: o.Picture.Origin, lastAudio: astiav.NoPtsValue,
	}
	if err := w.open("file:" + path); err != nil {
		w.free()
		return nil, err
	}
	return w, nil
}

// CanWrite tells, without a file, why the encoder would refuse what NewWriter is to write.
func CanWrite(o WriterOptions) error {
	installLog()
	o.TimeBase = token.Ratio{Num: 1, Den: 25}
	w := &Writer{o: o, frame: astiav.AllocFrame(), packet: astiav.AllocPacket(), width: (o.Width + 1) &^ 1, height: (o.Height + 1) &^ 1}
	defer w.free()
	if err := w.openEncoder(); err != nil {
		return fmt.Errorf("libx264: %w", err)
	}
	return nil
}

func (w *Writer) open(url string) (err error) {
	if w.fc, err = astiav.AllocOutputFormatContext(nil, "mp4", url); err != nil {
		return fmt.Errorf("mp4: %w", err)
	}
	if err := w.openEncoder(); err != nil {
		return fmt.Errorf("libx264: %w", err)
	}
	w.video = w.fc.NewStream(nil)
	if err := w.enc.ToCodecParameters(w.video.CodecParameters()); err != nil {
		return fmt.Errorf("libx264: %w", err)
	}
	w.video.SetTimeBase(w.enc.TimeBase())
	w.video.SetAvgFrameRate(rational(w.o.Rate))
	w.video.SetSampleAspectRatio(w.enc.SampleAspectRatio())
	w.addAudio()
	if err := openOutput(w.fc, url); err != nil {
		return system(err)
	}
	if err := begin(w.fc); err != nil {
		return err
	}
	w.gaps = newGaps(w.enc.TimeBase(), w.video.TimeBase())
	return nil
}

// begin writes the head of an mp4. Where a track begins is written in a unit of the movie's, which
// FFmpeg makes a millisecond: a file in parts would be off by some of that at each joint. Here it
// is one that suits every track. FFmpeg calls FLAC in mp4 experimental; browsers play it.
func begin(fc *astiav.FormatContext) error {
	unit := 1
	for _, s := range fc.Streams() {
		own := s.TimeBase().Den()
		if rate := s.CodecParameters().SampleRate(); rate > 0 {
			own = rate
		}
		for own < 10000 { // as the muxer makes of it, for video
			own *= 2
		}
		if common := unit / gcd(unit, own) * own; common <= math.MaxInt32 {
			unit = common
		}
	}
	options := astiav.NewDictionary()
	defer options.Free()
	options.Set("movflags", "+faststart", 0)
	options.Set("movie_timescale", strconv.Itoa(unit), 0)
	options.Set("strict", "experimental", 0)
	return system(fc.WriteHeader(options))
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (w *Writer) openEncoder() error {
	codec := astiav.FindEncoderByName("libx264")
	if codec == nil {
		return errors.New("this build of FFmpeg does not have it")
	}
	if max(w.width, w.height) > mostPixels {
		return fmt.Errorf("the pictures are %dx%d, and H.264 ends at %d pixels a side: scale the video down, or run a pipeline that writes no video",
			w.width, w.height, mostPixels)
	}
	w.enc = astiav.AllocCodecContext(codec)
	w.enc.SetWidth(w.width)
	w.enc.SetHeight(w.height)
	w.enc.SetPixelFormat(astiav.PixelFormatYuv420P)
	w.enc.SetTimeBase(rational(w.o.TimeBase))
	w.enc.SetFramerate(rational(w.o.Rate))
	w.enc.SetSampleAspectRatio(rational(w.o.Picture.Aspect))
	w.enc.SetFlags(astiav.NewCodecContextFlags(astiav.CodecContextFlagGlobalHeader))
	const bt709, unspecified = 1, 2
	tag := func(v int) string {
		if v == 0 || v == unspecified {
			v = bt709
		}
		return strconv.Itoa(v)
	}
	options := astiav.NewDictionary()
	defer options.Free()
	options.Set("crf", strconv.Itoa(w.o.CRF), 0)
	if w.o.Preset != "" {
		options.Set("preset", w.o.Preset, 0)
	}
	options.Set("threads", strconv.Itoa(w.o.Threads), 0)
	options.Set("forced-idr", "1", 0) // what gaps asks for
	options.Set("colorspace", "bt709", 0)
	options.Set("color_range", "tv", 0)
	options.Set("color_primaries", tag(w.o.Picture.Primaries), 0)
	options.Set("color_trc", tag(w.o.Picture.Transfer), 0)
	self := object(w.enc)
	if err := w.enc.Open(codec, options); err != nil {
		return fmt.Errorf("pictures of %dx%d: %w", w.width, w.height, detail(drainLog(w.o.Log, self), err))
	}
	return nil
}

// addAudio adds a stream for the audio, where an mp4 may hold it.
func (w *Writer) addAudio() {
	t := w.o.Audio
	if t == nil {
		return
	}
	if !mp4Takes(t, nil) {
		w.mute()
		return
	}
	w.audio = w.fc.NewStream(nil)
	t.params.Copy(w.audio.CodecParameters())
	w.audio.CodecParameters().SetCodecTag(0) // the number of another container
	w.audio.SetTimeBase(rational(t.TimeBase))
}

// mute leaves the audio out. A stream without packets is not in the file.
func (w *Writer) mute() {
	w.audio = nil
	w.o.Log.Warn().Msgf("the audio is left out: an mp4 cannot hold %s", w.o.Audio.Codec)
}

// Write adds a picture of Height rows of Width*3 bytes that is shown from pts for a duration, and
// the audio that goes with it (of *Packet). pts must increase.
func (w *Writer) Write(rgb []uint8, pts, duration int64, audio []any) error {
	if w.err != nil {
		return w.err
	}
	rgb = w.pad(rgb)
	w.frame.Unref()
	w.frame.SetWidth(w.width)
	w.frame.SetHeight(w.height)
	w.frame.SetPixelFormat(astiav.PixelFormatYuv420P)
	if err := w.frame.AllocBuffer(0); err != nil { // the encoder may still hold the last one
		return fmt.Errorf("libx264: %w", err)
	}
	if err := w.conv.fromRGB(rgb, w.width*3, w.frame); err != nil {
		return err
	}
	w.frame.SetPts(pts - w.origin)
	w.frame.SetPictureType(astiav.PictureTypeNone)
	if err := w.gaps.frame(w.frame, w.o.TimeBase.Float()); err != nil {
		return err
	}
	w.lasts[pts-w.origin] = duration
	if err := w.encode(w.frame); err != nil {
		return err
	}
	for _, a := range audio {
		if err := w.writeAudio(a.(*Packet)); err != nil {
			return err
		}
	}
	drainLog(w.o.Log, nil)
	return nil
}

// pad returns a picture of even size that FFmpeg may read past the end of: the one given if it is
// such a one (from NewRGB), or a copy on the canvas with its last column or row repeated.
func (w *Writer) pad(rgb []uint8) []uint8 {
	if w.width == w.o.Width && w.height == w.o.Height && cap(rgb)-len(rgb) >= slack {
		return rgb
	}
	in, out := w.o.Width*3, w.width*3
	if w.canvas == nil {
		w.canvas = NewRGB(w.height, out)
	}
	for y := range w.o.Height {
		row := w.canvas[y*out:][:out]
		copy(row, rgb[y*in:][:in])
		copy(row[in:], row[in-3:in])
	}
	if w.height > w.o.Height {
		copy(w.canvas[w.o.Height*out:], w.canvas[(w.o.Height-1)*out:][:out])
	}
	return w.canvas
}

// encode sends a frame, nil to drain, and writes every packet that is ready.
func (w *Writer) encode(f *astiav.Frame) error {
	if err := w.enc.SendFrame(f); err != nil {
		return fmt.Errorf("libx264: %w", err)
	}
	for {
		err := w.enc.ReceivePacket(w.packet)
		switch {
		case errors.Is(err, astiav.ErrEagain), errors.Is(err, astiav.ErrEof):
			return nil
		case err != nil:
			return fmt.Errorf("libx264: %w", err)
		}
		w.packet.SetDuration(w.lasts[w.packet.Pts()])
		delete(w.lasts, w.packet.Pts())
		w.packet.SetStreamIndex(w.video.Index())
		w.gaps.packet(w.packet)
		w.packet.RescaleTs(w.enc.TimeBase(), w.video.TimeBase())
		if err := w.mux(); err != nil {
			return err
		}
	}
}

func (w *Writer) writeAudio(a *Packet) error {
	if w.audio == nil || len(a.Data) == 0 {
		return nil
	}
	from := rational(w.o.Audio.TimeBase)
	shift := astiav.RescaleQ(w.origin, rational(w.o.TimeBase), from)
	pts, dts := a.PTS, a.DTS
	switch astiav.NoPtsValue {
	case dts:
		dts = pts
	case pts:
		pts = dts
	}
	if pts == astiav.NoPtsValue {
		return nil // a packet without a place
	}
	w.packet.Unref()
	if err := w.packet.FromData(a.Data); err != nil {
		return err
	}
	w.packet.SetPts(pts - shift)
	w.packet.SetDts(dts - shift)
	w.packet.SetDuration(a.Duration)
	w.packet.SetFlags(a.flags)
	if !w.tried && !mp4Takes(w.o.Audio, w.packet) { // some codecs show only here what they are
		w.mute()
		return nil
	}
	w.tried = true
	w.packet.SetStreamIndex(w.audio.Index())
	w.packet.RescaleTs(from, w.audio.TimeBase())
	if w.lastAudio != astiav.NoPtsValue && w.packet.Dts() <= w.lastAudio {
		return nil // times that jump back cannot be written
	}
	w.lastAudio = w.packet.Dts()
	err := w.fc.WriteInterleavedFrame(w.packet)
	if errors.Is(err, astiav.ErrInvaliddata) { // damaged on its way; the pictures are not
		if !w.hurt {
			w.o.Log.Warn().Msgf("audio that is damaged is left out, the first near %.2f s", float64(pts-shift)*w.o.Audio.TimeBase.Float())
		}
		w.hurt = true
		return nil
	}
	w.err = system(err)
	return w.err
}

// mux hands the packet over. The muxer holds packets back until it can interleave them.
func (w *Writer) mux() error {
	if err := w.fc.WriteInterleavedFrame(w.packet); err != nil {
		w.err = system(err)
	}
	return w.err
}

// Close finishes the file, so that it plays, and says what went wrong with it at any time.
func (w *Writer) Close() error {
	defer w.free()
	err := w.err
	if err == nil {
		err = w.encode(nil)
	}
	if e := w.fc.WriteTrailer(); err == nil && e != nil { // writes what it can after an error, too
		err = system(e)
	}
	if e := closeOutput(w.fc); err == nil && e != nil {
		err = system(e)
	}
	return err
}

func (w *Writer) free() {
	if w.enc != nil {
		w.enc.Free()
	}
	if w.fc != nil {
		closeOutput(w.fc)
		w.fc.Free()
	}
	w.frame.Free()
	w.packet.Free()
	w.conv.free()
	drainLog(w.o.Log, nil)
}

// system turns FFmpeg's number for an error of the operating system into that error.
func system(err error) error {
	if e, ok := err.(astiav.Error); ok && e < 0 && e > -4096 {
		return syscall.Errno(-e)
	}
	return err
}

// rational is the inverse of ratio; what is unknown is 0/1.
func rational(r token.Ratio) astiav.Rational {
	if r.Den == 0 {
		return astiav.NewRational(0, 1)
	}
	return astiav.NewRational(r.Num, r.Den)
}
