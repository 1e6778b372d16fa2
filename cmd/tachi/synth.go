//go:build !nomedia

package main

import (
	"fmt"
	"path/filepath"

	"github.com/seed49bbd0e6/tachi/stages"
	"github.com/seed49bbd0e6/tachi/stages/synthetic"
)

// synthCmd writes made-up video.
type synthCmd struct {
	Out       string `short:"o" default:"clip.mp4" help:"Output mp4."`
	Seed      int    `default:"1" help:"What to draw."`
	Frames    int    `default:"60" help:"Length."`
	FPS       int    `default:"30" help:"Frames per second."`
	Width     int    `default:"640" help:"Pixels."`
	Height    int    `default:"360" help:"Pixels."`
	Shapes    int    `default:"1" help:"Number of shapes, 1 to 5."`
	Overwrite bool   `help:"Replace an existing file."`
}

// Run writes the clip and prints where the shapes are on its first frame.
func (c *synthCmd) Run(a *app) error {
	o := synthetic.Options{Width: c.Width, Height: c.Height, Frames: c.Frames, FPS: c.FPS, Seed: c.Seed, Shapes: c.Shapes}
	if err := o.Validate(); err != nil {
		return usagef("--%v", err)
	}
	if filepath.Ext(c.Out) != ".mp4" {
		return usagef("-o %s: the name must end in .mp4", c.Out)
	}
	boxes, err := stages.Synth(a.ctx, c.Out, o, c.Overwrite, a.log)
	if err != nil {
		return err
	}
	if a.JSON {
		return writeJSON(a, map[string]any{"path": c.Out, "boxes": boxes})
	}
	for i, b := range boxes {
		fmt.Fprintf(a.out, "%s: shape %d: --box %d,%d,%d,%d\n", c.Out, i+1, b[0], b[1], b[2], b[3])
	}
	return nil
}
