//go:build !nomedia

// Package synth writes made-up clips as videos with their ground truth.
package synth

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/media"
	"github.com/seed49bbd0e6/tachi/stages/internal/outfile"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
	"github.com/seed49bbd0e6/tachi/stages/synthetic"
	"github.com/seed49bbd0e6/tachi/stages/writemasks"
)

// Clip writes the video of a synthetic source to an mp4, and returns the true box x, y, w, h of the
// target on frame 0.
func Clip(ctx context.Context, path string, o synthetic.Options, overwrite bool, log zerolog.Logger) (box [4]int, err error) {
	if err := o.Validate(); err != nil {
		return box, &graph.Error{Kind: graph.BadConfig, Err: err}
	}
	file, err := outfile.Create(path, overwrite)
	if err != nil {
		return box, err
	}
	if box, err = writeClip(ctx, file.Path(), o, log, nil); err != nil {
		file.Discard()
		return box, err
	}
	return box, file.Commit()
}

// Folder writes clips with their ground truth under a folder, one folder a clip, named by family
// and seed: clip.mp4; masks/00000.png and on, indexed as in DAVIS, pixel = object; groundtruth.txt,
// the target's boxes as in LaSOT, 0,0,0,0 when it is not seen; absent.txt, one line a frame, 1 when
// it is not seen; clip.json, what was drawn. The folder must be new or empty: what is in one is
// never replaced.
func Folder(ctx context.Context, path string, clips *synthetic.Clips, log zerolog.Logger) error {
	if err := clips.Validate(); err != nil {
		return &graph.Error{Kind: graph.BadConfig, Err: err}
	}
	if entries, err := os.ReadDir(path); err == nil && len(entries) > 0 {
		return graph.Errorf(graph.BadOutput, "%s is not empty, and a folder of clips is never replaced: name another one", path)
	}
	dir, err := outfile.CreateDir(path, "", false)
	if err != nil {
		return err
	}
	for i := range clips.Count {
		if err := writeTruth(ctx, dir.Path(), clips.Options(i), log); err != nil {
			dir.Discard()
			return fmt.Errorf("clip %d: %w", i, err)
		}
	}
	return dir.Commit()
}

// writeClip writes a clip to a video file, and calls each, if given, with every frame.
func writeClip(ctx context.Context, path string, o synthetic.Options, log zerolog.Logger, each func(*token.Frame) error) (box [4]int, err error) {
	var w *media.Writer
	err = o.Play(ctx, func(f *token.Frame) (err error) {
		if w == nil {
			box = f.Truth[0].Mask.Box().Pixels()
			w, err = media.NewWriter(path, media.WriterOptions{Width: o.Width, Height: o.Height,
				TimeBase: f.Stream.TimeBase, Rate: f.Stream.Rate, CRF: 26, Preset: "slow", Log: log})
			if err != nil {
				return err
			}
		}
		if err := w.Write(f.RGB, f.PTS, f.Duration, nil); err != nil || each == nil {
			return err
		}
		return each(f)
	})
	if w != nil {
		if e := w.Close(); err == nil {
			err = e
		}
	}
	return box, err
}

// writeTruth writes one clip's folder.
func writeTruth(ctx context.Context, dir string, o synthetic.Options, log zerolog.Logger) error {
	dir = filepath.Join(dir, fmt.Sprintf("%s-%d", o.Family, o.Seed))
	masks := filepath.Join(dir, "masks")
	if err := os.MkdirAll(masks, 0o777); err != nil {
		return outfile.Errorf(dir, err)
	}
	palette := writemasks.Palette()
	var boxes, absent strings.Builder
	objects := 0
	_, err := writeClip(ctx, filepath.Join(dir, "clip.mp4"), o, log, func(f *token.Frame) error {
		img := image.NewPaletted(image.Rect(0, 0, o.Width, o.Height), palette)
		for _, t := range f.Truth {
			for i, p := range t.Mask.Pix {
				if p != 0 {
					img.Pix[i] = uint8(t.Object)
				}
			}
		}
		objects = len(f.Truth)
		b := f.Truth[0].Mask.Box().Pixels()
		fmt.Fprintf(&boxes, "%d,%d,%d,%d\n", b[0], b[1], b[2], b[3])
		flag := 1
		if f.Truth[0].Visible {
			flag = 0
		}
		fmt.Fprintln(&absent, flag)
		return writeFile(filepath.Join(masks, fmt.Sprintf("%05d.png", f.Index)), func(w *bufio.Writer) error { return png.Encode(w, img) })
	})
	if err != nil {
		return err
	}
	about, err := json.Marshal(map[string]any{"seed": o.Seed, "family": o.Family, "frames": o.Frames, "width": o.Width, "height": o.Height,
		"fps": o.FPS, "objects": objects, "target": 1})
	if err != nil {
		return err
	}
	for name, text := range map[string]string{"groundtruth.txt": boxes.String(), "absent.txt": absent.String(), "clip.json": string(about) + "\n"} {
		if err := writeFile(filepath.Join(dir, name), func(w *bufio.Writer) error { _, err := w.WriteString(text); return err }); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, write func(*bufio.Writer) error) error {
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	if err := write(w); err != nil {
		return err
	}
	_ = w.Flush() // to memory
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		return outfile.Errorf(path, err)
	}
	return nil
}
