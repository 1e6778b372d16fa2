//go:build !nomedia

// Package decode is the source that reads videos through FFmpeg.
//
// Each frame leaves as RGB in displayed orientation, with its time, its prompts and the audio that
// belongs to it. Frames are counted from the first one delivered, whatever start says, and so are
// the frames that prompts name.
package decode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/media"
	"github.com/seed49bbd0e6/tachi/stages/internal/prompt"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is the declaration.
var Stage = graph.WithImagine(graph.WithProbe(graph.NewSource("decode", doc, open), probe), imagine)

const doc = `Decodes a video: a file, an address, a camera or "-" for standard input, in any format that FFmpeg knows.
Rotation metadata is applied to the pixels, times are kept (or made up, increasing, where the file has none), and the
audio goes along with the frames for encode-output. Colours are converted with the matrix and range that the
stream is tagged with; untagged video is BT.601 in limited range, as in FFmpeg's own tools. Matrices that are not known
(constant luminance, SMPTE 2085, IPT-C2) give a warning. HDR (PQ, HLG) is toned to SDR in BT.709, with white at 203
cd/m2; what is brighter than 0.8 of that is compressed, up to 1000 cd/m2. Pixels stay as they are stored, also where a
player would stretch them or separate the fields of interlaced video; a warning says so. Where times jump, because
transport streams were joined, they go on by a frame's duration, and the sound with them. Damaged frames are counted.
One that gives no picture has no number: frames are counted as they come, as in a player. A file that is cut short, or
changes its size on the way, gives all its frames first and then ends the run with exit code 65.`

// Options of the stage.
type Options struct {
	Path    graph.Path    `toml:"path" required:"true" doc:"the video: a file, an address (rtsp://...), a camera (/dev/video0) or - for standard input"`
	Start   int           `toml:"start" default:"0" doc:"frames to leave out at the beginning; the first frame after them is frame 0"`
	Frames  int           `toml:"frames" default:"0" doc:"frames to deliver at most; 0: all"`
	Threads int           `toml:"threads" default:"1" doc:"decoder threads; 0: one per core. One is fast enough beside the network and counts every damaged frame; with more, some damage may go unnoticed"`
	Hwaccel string        `toml:"hwaccel" doc:"cuda, or cuda:1 for the second: NVDEC decodes, and the pictures are copied to host memory. Damage may go unnoticed there. Where that is impossible the processor decodes, with a warning"`
	Timeout time.Duration `toml:"timeout" default:"0s" doc:"how long to wait for the next frame of a stream that is silent; 0s: for ever. What came before is complete then, and the run ends with exit code 65"`
	prompt.Options
}

var hwaccel = regexp.MustCompile(`^(cuda(:[0-9]+)?)?$`)

// Validate checks what needs no video.
func (o *Options) Validate() error {
	for _, n := range []struct {
		key   string
		value int
	}{{"start", o.Start}, {"frames", o.Frames}, {"threads", o.Threads}} {
		if n.value < 0 {
			return &graph.OptionError{Key: n.key, Msg: fmt.Sprintf("%d is below zero", n.value)}
		}
	}
	if !hwaccel.MatchString(o.Hwaccel) {
		return &graph.OptionError{Key: "hwaccel", Msg: fmt.Sprintf("%q is neither cuda nor cuda:N", o.Hwaccel)}
	}
	if o.Timeout < 0 {
		return &graph.OptionError{Key: "timeout", Msg: fmt.Sprintf("%v is below zero", o.Timeout)}
	}
	return o.Options.Validate()
}

// Out is what the stage emits for each frame.
type Out struct {
	Frame *token.Frame `port:"frame" doc:"the picture in host memory, with its prompts, its time and its audio"`
}

// source is one video being delivered.
type source struct {
	o      *Options
	env    *graph.Env
	reader *media.Reader
	stream *token.Stream
	set    *prompt.Set // nil when nothing is prompted

	point resumePoint  // behind the last frame delivered
	last  *media.Frame // that frame
	read  int          // frames that came from the reader

	doubted bool // a warning was given

	drained, stalled atomic.Bool // why a read was interrupted
}

func imagine(env *graph.Env, o *Options, p graph.Probe, frames int) (out []*Out, err error) {
	imagined, err := o.Imagine(p, frames, env.Model != nil)
	for _, f := range imagined {
		out = append(out, &Out{f})
	}
	return out, err
}

func probe(env *graph.Env, o *Options) (graph.Probe, error) {
	if !media.Rereadable(string(o.Path)) { // looking would eat the beginning
		objects, prompts := o.Tally(1<<20, 1<<20)
		return graph.Probe{Objects: objects, Prompts: prompts}, nil
	}
	look := *env
	look.Log = zerolog.Nop() // it is opened again to be read, and speaks then
	r, err := o.read(&look)
	if err != nil {
		return graph.Probe{}, err
	}
	defer r.Close()
	s := delivered(r.Stream(), o)
	objects, prompts := o.Tally(s.Width, s.Height)
	return graph.Probe{Width: s.Width, Height: s.Height, Frames: s.Frames, Rate: s.Rate.Float(), Objects: objects, Prompts: prompts,
		Surfaces: r.Surfaces()}, nil
}

// delivered describes the part of a stream that start and frames select.
func delivered(s *token.Stream, o *Options) *token.Stream {
	part := *s
	if part.Frames > 0 {
		part.Frames = max(0, part.Frames-o.Start)
		if o.Frames > 0 {
			part.Frames = min(part.Frames, o.Frames)
		}
	}
	return &part
}

func (o *Options) read(env *graph.Env) (*media.Reader, error) {
	return media.Open(string(o.Path), media.ReadOptions{Threads: o.Threads, Hardware: o.Hwaccel, Log: env.Log})
}

func open(env *graph.Env, o *Options) (func(context.Context, func(*Out) error) error, func(error) error, error) {
	r, err := o.read(env)
	if err != nil {
		return nil, nil, err
	}
	s := &source{o: o, env: env, reader: r, stream: delivered(r.Stream(), o)}
	if s.set, err = prompt.ForSource(env, &o.Options, s.stream); err != nil {
		r.Close()
		return nil, nil, err
	}
	env.Save = s.save
	if err := s.resume(); err != nil {
		s.reader.Close()
		return nil, nil, err
	}
	return s.run, func(error) error { s.reader.Close(); return nil }, nil
}

// resumePoint is where the source is at a checkpoint.
type resumePoint struct {
	Next  int // the frame that comes next
	Last  media.Mark
	Begin *int64 // the time of frame 0, when frames before it are left out
}

func (s *source) save() ([]byte, error) {
	s.point.Last = media.MarkOf(s.last.PTS, s.last.RGB)
	return json.Marshal(s.point)
}

// resume finds the frame of a checkpoint. Where that fails all is read again, which only takes
// longer.
func (s *source) resume() error {
	if s.env.Resume == nil {
		return nil
	}
	var p resumePoint
	if err := json.Unmarshal(s.env.Resume, &p); err != nil {
		return graph.Errorf(graph.BadData, "the checkpoint: %w", err)
	}
	err := s.reader.Find(p.Last, p.Next-1)
	if err == nil {
		s.point, s.env.First = p, p.Next
		if p.Begin != nil {
			s.beginAt(*p.Begin)
		}
		return nil
	}
	if !errors.Is(err, media.ErrNotFound) {
		return err
	}
	s.reader.Close()
	s.reader, err = s.o.read(s.env)
	return err
}

func (s *source) run(ctx context.Context, emit func(*Out) error) error {
	defer context.AfterFunc(ctx, s.reader.Interrupt)()
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-s.env.Drain:
			s.drained.Store(true)
			s.reader.Interrupt()
		case <-over:
		}
	}()
	defer s.report()
	if s.env.First == 0 {
		if err := s.skip(ctx); err != nil {
			return err
		}
	}
	for n := s.env.First; s.o.Frames == 0 || n < s.o.Frames; n++ {
		f, err := s.next(ctx)
		switch {
		case err == io.EOF:
			return s.set.EndsBefore(n, s.stream.ID)
		case err != nil:
			if graph.KindOf(err) == graph.Incomplete && s.set.Last() >= n {
				s.env.Log.Warn().Msgf("%s: a prompt names frame %d, but only %d came", s.stream.ID, s.set.Last(), n)
			}
			return err
		}
		if n == 0 && s.o.Start > 0 {
			s.beginAt(f.PTS)
			s.point.Begin = &f.PTS
		}
		s.point.Next, s.last = n+1, f
		h := &token.Header{Stream: s.stream, Index: n, PTS: f.PTS, Duration: f.Duration}
		h.Prompts, h.Objects = s.set.At(n)
		s.doubt(h, f.Lost)
		if err := emit(&Out{&token.Frame{Header: h, RGB: f.RGB, Audio: f.Audio}}); err != nil {
			return err
		}
	}
	return nil
}

// doubt warns once of a prompt that may be meant for another frame: those that gave no picture are
// not counted.
func (s *source) doubt(h *token.Header, lost int) {
	if lost == 0 || len(h.Prompts) == 0 || s.doubted {
		return
	}
	s.doubted = true
	s.env.Log.Warn().Msgf("%s: the prompt for frame %d is put on what would be frame %d without the damage: %d frames before it gave no picture",
		s.stream.ID, h.Index, h.Index+lost, lost)
}

// skip drops the frames before start. They have to be decoded: only so are frames counted alike in
// every format.
func (s *source) skip(ctx context.Context) error {
	for n := range s.o.Start {
		if _, err := s.next(ctx); err == io.EOF {
			return graph.Errorf(graph.BadData, "%s: start is %d, but there are %d frames", s.stream.ID, s.o.Start, n)
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (s *source) next(ctx context.Context) (*media.Frame, error) {
	if s.o.Timeout > 0 {
		defer time.AfterFunc(s.o.Timeout, func() {
			s.stalled.Store(true)
			s.reader.Interrupt()
		}).Stop()
	}
	f, err := s.reader.Next()
	if err == nil {
		s.read++
	}
	switch {
	case !errors.Is(err, media.ErrInterrupted):
		return f, err
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case s.drained.Load():
		return nil, graph.ErrDrained
	}
	return nil, graph.Errorf(graph.Incomplete, "%s: nothing has come for %v (option timeout)", s.stream.ID, s.o.Timeout)
}

// beginAt moves the beginning of the file to the first frame delivered, so that a copy does not
// begin with a gap.
func (s *source) beginAt(pts int64) {
	if p, ok := s.stream.Picture.(media.Picture); ok {
		p.Origin = pts
		s.stream.Picture = p
	}
}

// report says once what was wrong on the way.
func (s *source) report() {
	if j := s.reader.Jumps(); j.Count > 0 && j.Frame >= 0 {
		more := ""
		if j.Count > 1 {
			more = fmt.Sprintf(", and %d times behind it", j.Count-1)
		}
		s.env.Log.Warn().Int("jumps", j.Count).
			Msgf("%s: the time jumps by %+.2f s at frame %d (%.2f s)%s: it goes on without the jump", s.stream.ID, j.By, j.Frame, j.Near, more)
	}
	c := s.reader.Corrupt()
	if c.Joined > 0 {
		s.env.Log.Info().Int("packets", c.Joined).Msgf("%s: begins in the middle: %d packets come before the first key frame, and give no frame", s.stream.ID, c.Joined)
	}
	if c.Any() {
		s.env.Log.Warn().Int("damaged", c.Shown).Int("skipped", c.Skipped).Int("errors", c.Errors).
			Msgf("%s: damaged: %d frames are shown with damage, %d of %d gave no picture, the first at frame %d (%.2f s)",
				s.stream.ID, c.Shown, c.Skipped, s.read+c.Skipped, c.Frame, c.Near)
	}
}
