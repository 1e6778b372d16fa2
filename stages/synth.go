//go:build !nomedia

package stages

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/media"
	"github.com/seed49bbd0e6/tachi/stages/internal/outfile"
	"github.com/seed49bbd0e6/tachi/stages/synthetic"
)

// Synth writes the video of a synthetic source to an mp4, and returns the true box x, y, w, h of each shape on frame 0.
func Synth(ctx context.Context, path string, o synthetic.Options, overwrite bool, log zerolog.Logger) (boxes [][4]int, err error) {
	if err := o.Validate(); err != nil {
		return nil, &graph.Error{Kind: graph.BadConfig, Err: err}
	}
	file, err := outfile.Create(path, overwrite)
	if err != nil {
		return nil, err
	}
	node, err := synthetic.Stage.Open(&graph.Env{Stage: "synth", Log: log}, &o)
	if err != nil {
		file.Discard()
		return nil, err
	}
	var w *media.Writer
	err = node.Run(ctx, func(out any) (err error) {
		f := out.(*synthetic.Out).Frame
		if err := ctx.Err(); err != nil {
			return err
		}
		if w == nil {
			w, err = media.NewWriter(file.Path(), media.WriterOptions{Width: o.Width, Height: o.Height,
				TimeBase: f.Stream.TimeBase, Rate: f.Stream.Rate, CRF: 26, Preset: "slow", Log: log})
			if err != nil {
				return err
			}
			for _, p := range f.Prompts {
				boxes = append(boxes, [4]int{int(p.Box.X0), int(p.Box.Y0), int(p.Box.X1 - p.Box.X0), int(p.Box.Y1 - p.Box.Y0)})
			}
		}
		return w.Write(f.RGB, f.PTS, f.Duration, nil)
	})
	if w != nil {
		if e := w.Close(); err == nil {
			err = e
		}
	}
	if err != nil {
		file.Discard()
		return nil, err
	}
	return boxes, file.Commit()
}
