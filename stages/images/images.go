// Package images is the source that reads a folder of pictures as a video, one picture a frame.
//
// JPEG goes through libjpeg-turbo and PNG through Go's own decoder, so that every pixel equals what
// Pillow gives: parity with the reference, which reads folders, begins here.
package images

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/infile"
	"github.com/seed49bbd0e6/tachi/stages/internal/prompt"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is the declaration.
var Stage = graph.WithImagine(graph.WithProbe(graph.NewSource("images", doc, open), probe), imagine)

const doc = `Reads a folder of pictures (.jpg, .jpeg, .png) as a video, in natural order: frame2 before frame10.
Pixels equal Pillow's convert("RGB") and are turned as an orientation tag (Exif) says. All pictures must
have one size; what is no picture is passed over, but one that cannot be read, such as .webp or .tif, is an error. A frame is named by its file without the extension, which write-masks uses.`

// Options of the stage.
type Options struct {
	Path   graph.Path `toml:"path" required:"true" doc:"the folder"`
	FPS    float64    `toml:"fps" default:"30" doc:"pictures per second"`
	Start  int        `toml:"start" default:"0" doc:"pictures to leave out at the beginning; the first one after them is frame 0"`
	Frames int        `toml:"frames" default:"0" doc:"pictures to deliver at most; 0: all"`
	prompt.Options
}

// Validate checks what needs no picture.
func (o *Options) Validate() error {
	switch {
	case !(o.FPS >= 0.001 && o.FPS <= 1000):
		return &graph.OptionError{Key: "fps", Msg: fmt.Sprintf("%g is not between 0.001 and 1000", o.FPS)}
	case o.Start < 0:
		return &graph.OptionError{Key: "start", Msg: fmt.Sprintf("%d is below zero", o.Start)}
	case o.Frames < 0:
		return &graph.OptionError{Key: "frames", Msg: fmt.Sprintf("%d is below zero", o.Frames)}
	}
	return o.Options.Validate()
}

// Out is what the stage emits for each frame.
type Out struct {
	Frame *token.Frame `port:"frame" doc:"the picture in host memory, with its prompts and name"`
}

// source is one folder.
type source struct {
	dir    string
	files  []string // names, in order
	stream *token.Stream
	set    *prompt.Set // nil when nothing is prompted
}

// look lists the folder and reads the size of the first picture.
func look(o *Options) (*source, error) {
	s := &source{dir: string(o.Path)}
	files, err := list(s.dir)
	if err != nil {
		return nil, err
	}
	if o.Start >= len(files) {
		return nil, graph.Errorf(graph.BadData, "%s: start is %d, but there are %d pictures", s.dir, o.Start, len(files))
	}
	s.files = files[o.Start:]
	if o.Frames > 0 {
		s.files = s.files[:min(o.Frames, len(s.files))]
	}
	data, err := s.read(0)
	if err != nil {
		return nil, err
	}
	w, h, err := size(data)
	if err != nil {
		return nil, s.bad(0, err)
	}
	rate := rational(o.FPS)
	s.stream = &token.Stream{ID: s.dir, Width: w, Height: h, Rate: rate, TimeBase: token.Ratio{Num: rate.Den, Den: rate.Num}, Frames: len(s.files)}
	return s, nil
}

// list returns the pictures of a folder in natural order.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		info, statErr := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, graph.Errorf(graph.BadData, "%s: no such folder", dir)
		case statErr == nil && !info.IsDir():
			return nil, graph.Errorf(graph.BadData, "%s: is not a folder; the decode stage reads videos", dir)
		}
		return nil, graph.Errorf(graph.BadData, "%w", err)
	}
	var files, others []string
	for _, e := range entries {
		name, ext := e.Name(), strings.ToLower(filepath.Ext(e.Name()))
		switch {
		case strings.HasPrefix(name, "."):
		case slices.Contains(readable, ext):
			if err := infile.Regular(filepath.Join(dir, name)); err != nil {
				return nil, graph.Errorf(graph.BadData, "%s: %w", filepath.Join(dir, name), err)
			}
			files = append(files, name)
		case slices.Contains(unreadable, ext) && !e.IsDir():
			others = append(others, name)
		}
	}
	slices.SortFunc(others, natural)
	switch {
	case len(files) == 0 && len(others) == 0:
		return nil, graph.Errorf(graph.BadData, "%s: holds no pictures (.jpg, .jpeg, .png)", dir)
	case len(files) == 0:
		return nil, graph.Errorf(graph.BadData, "%s: holds no pictures that can be read (.jpg, .jpeg, .png): %s", dir, listed(others))
	case len(others) > 0:
		return nil, graph.Errorf(graph.BadData, "%s: is a picture that cannot be read (only .jpg, .jpeg, .png) among %d that can: convert it, or move it away; there are %s",
			filepath.Join(dir, others[0]), len(files), listed(others))
	}
	slices.SortFunc(files, natural)
	named := map[string]string{}
	for _, f := range files {
		if twin := named[stem(f)]; twin != "" {
			return nil, graph.Errorf(graph.BadData, "%s: %s and %s are one frame's name", dir, twin, f)
		}
		named[stem(f)] = f
	}
	return files, nil
}

// readable are the endings of pictures that are read, unreadable those of other pictures: without
// one of these in its place every frame behind it would have another number.
var (
	readable   = []string{".jpg", ".jpeg", ".jpe", ".jfif", ".png"}
	unreadable = strings.Fields(".webp .bmp .dib .tif .tiff .gif .apng .heic .heif .hif .avif .jxl .exr .hdr .dpx .cin .jp2 .j2k .j2c .jpf .jpx .jpc " +
		".jxr .ppm .pgm .pbm .pnm .pam .pfm .tga .ico .psd .qoi .sgi .pcx .dds .svg .dng .cr2 .cr3 .nef .arw .orf .rw2 .raf .pef .srw .fits")
)

// listed names a few files.
func listed(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

func stem(file string) string { return strings.TrimSuffix(file, filepath.Ext(file)) }

// rational writes a rate as a fraction of whole thousandths.
func rational(fps float64) token.Ratio {
	num, den := int(math.Round(fps*1000)), 1000
	a, b := num, den
	for b != 0 {
		a, b = b, a%b
	}
	return token.Ratio{Num: num / a, Den: den / a}
}

func (s *source) path(i int) string { return filepath.Join(s.dir, s.files[i]) }

func (s *source) bad(i int, err error) error {
	return graph.Errorf(graph.BadData, "%s: %w", s.path(i), err)
}

func (s *source) read(i int) ([]byte, error) {
	const most = 1 << 30
	return infile.ReadFile(s.path(i), most)
}

// picture decodes file i.
func (s *source) picture(i int) ([]uint8, error) {
	data, err := s.read(i)
	if err != nil {
		return nil, err
	}
	w, h, err := size(data)
	if err != nil {
		return nil, s.bad(i, err)
	}
	if w != s.stream.Width || h != s.stream.Height {
		return nil, s.bad(i, fmt.Errorf("is %dx%d, but the pictures before it are %dx%d", w, h, s.stream.Width, s.stream.Height))
	}
	rgb, err := decode(data, w, h)
	if err != nil {
		return nil, s.bad(i, err)
	}
	return rgb, nil
}

func imagine(env *graph.Env, o *Options, p graph.Probe, frames int) (out []*Out, err error) {
	imagined, err := o.Imagine(p, frames, env.Model != nil)
	for _, f := range imagined {
		out = append(out, &Out{f})
	}
	return out, err
}

func probe(env *graph.Env, o *Options) (graph.Probe, error) {
	s, err := look(o)
	if err != nil {
		return graph.Probe{}, err
	}
	p := graph.Probe{Width: s.stream.Width, Height: s.stream.Height, Frames: s.stream.Frames, Rate: s.stream.Rate.Float()}
	p.Objects, p.Prompts = o.Tally(p.Width, p.Height)
	return p, nil
}

func open(env *graph.Env, o *Options) (func(context.Context, func(*Out) error) error, func(error) error, error) {
	s, err := look(o)
	if err != nil {
		return nil, nil, err
	}
	if s.set, err = prompt.ForSource(env, &o.Options, s.stream); err != nil {
		return nil, nil, err
	}
	return s.run, nil, nil
}

func (s *source) run(ctx context.Context, emit func(*Out) error) error {
	for i, file := range s.files {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		rgb, err := s.picture(i)
		if err != nil {
			return err
		}
		h := &token.Header{Stream: s.stream, Index: i, PTS: int64(i), Duration: 1, Name: stem(file)}
		h.Prompts, h.Objects = s.set.At(i)
		if err := emit(&Out{&token.Frame{Header: h, RGB: rgb}}); err != nil {
			return err
		}
	}
	return nil
}
