//go:build !nomedia

// Package encodeoutput is the sink that draws what was tracked on the frames and writes them as
// H.264 in mp4.
package encodeoutput

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/media"
	"github.com/seed49bbd0e6/tachi/stages/internal/outfile"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is the declaration.
var Stage = graph.WithCheck(graph.NewSink("encode-output", doc, open), check)

const doc = `Writes the video with the objects' masks, boxes and scores drawn on it, as H.264 in an mp4 that plays in a browser.
The copy has as many frames as the source, at the same times, and its audio where an mp4 can hold it. An object that is
lost is marked LOST. Odd sizes are padded to even; H.264 ends at 16384 pixels a side. Colours are BT.709 in limited range. The file is written as
NAME.partial.mp4 and gets its name when it is complete; an interrupted run leaves a .partial that plays.`

// Options of the stage.
type Options struct {
	Path    graph.OutPath `toml:"path" required:"true" doc:"the file to write, *.mp4"`
	CRF     int           `toml:"crf" default:"23" doc:"quality, x264's constant rate factor: 0 is lossless, 51 the worst; 6 more halve the size"`
	Preset  string        `toml:"preset" default:"superfast" enum:"ultrafast,superfast,veryfast,faster,fast,medium,slow,slower,veryslow" doc:"x264's trade of time against size"`
	Threads int           `toml:"threads" default:"2" doc:"encoder threads; 0: x264 decides, and takes more than there are cores"`
}

// Validate checks what needs no frame.
func (o *Options) Validate() error {
	switch ext := strings.ToLower(filepath.Ext(string(o.Path))); {
	case ext != ".mp4" && ext != ".m4v":
		return &graph.OptionError{Key: "path", Msg: fmt.Sprintf("%q does not end in .mp4", o.Path)}
	case o.CRF < 0 || o.CRF > 51:
		return &graph.OptionError{Key: "crf", Msg: fmt.Sprintf("%d is not between 0 and 51", o.CRF)}
	case o.Threads < 0:
		return &graph.OptionError{Key: "threads", Msg: fmt.Sprintf("%d is below zero", o.Threads)}
	}
	return nil
}

// In is what the stage takes for each frame.
type In struct {
	Frame  *token.Frame  `port:"frame" doc:"the picture, its time and its audio"`
	Result *token.Result `port:"result,optional" doc:"what to draw on it; without, the video is only copied"`
}

// check opens the encoder as it will be opened at the first frame.
func check(o *Options, p graph.Probe) error {
	err := media.CanWrite(media.WriterOptions{Width: p.Width, Height: p.Height, CRF: o.CRF, Preset: o.Preset, Threads: o.Threads, Log: zerolog.Nop()})
	if err != nil {
		return outfile.Errorf(string(o.Path), err)
	}
	return nil
}

// sink is one file. The encoder opens at the first frame, which says how large it is, and again
// behind each checkpoint: what lies before one is a part that plays by itself. Parts are joined at
// the end, without encoding anything again.
type sink struct {
	o         *Options
	env       *graph.Env
	file      *outfile.File // nil behind a checkpoint, before the next frame
	writer    *media.Writer // nil before the first frame
	parts     int           // complete ones, beside the file
	committed bool          // the file was complete before this run
	rgb       []uint8       // the frame being drawn on; tokens are shared and stay as they are
}

func open(env *graph.Env, o *Options) (func(context.Context, *In) error, func(error) error, error) {
	s := &sink{o: o, env: env}
	env.Save = s.save
	if env.Resume != nil {
		if err := s.resume(env.Resume); err != nil {
			return nil, nil, err
		}
		if s.committed {
			return func(context.Context, *In) error { return nil }, s.clean, nil
		}
	}
	if err := s.create(); err != nil {
		return nil, nil, err
	}
	return s.fire, s.close, nil
}

func (s *sink) create() (err error) {
	s.file, err = outfile.Create(string(s.o.Path), s.env.Overwrite)
	return err
}

func (s *sink) fire(_ context.Context, in *In) error {
	f := in.Frame
	if s.writer == nil {
		if s.file == nil {
			if err := s.create(); err != nil {
				return err
			}
		}
		if err := s.start(f.Stream); err != nil {
			return err
		}
	}
	copy(s.rgb, f.RGB)
	overlay(&canvas{s.rgb, f.Stream.Width, f.Stream.Height}, f.Header, in.Result)
	if err := s.writer.Write(s.rgb, f.PTS, f.Duration, f.Audio); err != nil {
		return outfile.Errorf(string(s.o.Path), fmt.Errorf("frame %d: %w", f.Index, err))
	}
	return nil
}

func (s *sink) start(stream *token.Stream) error {
	options := media.WriterOptions{
		Width: stream.Width, Height: stream.Height, TimeBase: stream.TimeBase, Rate: stream.Rate,
		CRF: s.o.CRF, Preset: s.o.Preset, Threads: s.o.Threads, Log: s.env.Log,
	}
	options.Picture, _ = stream.Picture.(media.Picture)
	options.Audio, _ = stream.Audio.(*media.Track)
	w, err := media.NewWriter(s.file.Path(), options)
	if err != nil {
		return outfile.Errorf(string(s.o.Path), err)
	}
	s.writer, s.rgb = w, media.NewRGB(stream.Height, stream.Width*3)
	return nil
}

// close makes the file playable, and gives it its name when every frame has passed. Without any
// frame there is no file.
func (s *sink) close(cause error) error {
	if s.parts > 0 {
		return s.join(cause)
	}
	if s.writer == nil {
		s.file.Discard()
		return nil
	}
	err := s.writer.Close()
	if err == nil && cause == nil {
		return s.file.Commit()
	}
	if abandoned := s.file.Abandon(); err == nil {
		return abandoned
	}
	return outfile.Errorf(string(s.o.Path), err)
}
