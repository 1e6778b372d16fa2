package main

import (
	"fmt"
	"path/filepath"

	"github.com/seed49bbd0e6/tachi/stages/frame"
	"github.com/seed49bbd0e6/tachi/stages/output"
	"github.com/seed49bbd0e6/tachi/stages/prompts"
)

// frameCmd writes one frame of a video.
type frameCmd struct {
	Video     string `arg:"" help:"Video file or folder of pictures."`
	N         int    `short:"n" default:"0" help:"Frame number, from 0."`
	Box       string `placeholder:"X,Y,W,H" help:"Box to draw, in stored pixels of the upright picture, as a run takes it."`
	Out       string `short:"o" default:"frame.png" help:"Output PNG."`
	Overwrite bool   `help:"Replace an existing file."`
}

// Run writes the picture.
func (c *frameCmd) Run(a *app) error {
	if filepath.Ext(c.Out) != ".png" {
		return usagef("-o %s: the name must end in .png", c.Out)
	}
	if c.N < 0 {
		return usagef("-n %d: frames count from 0", c.N)
	}
	var box []float64
	if c.Box != "" {
		var err error
		if box, err = prompts.ParseBox(c.Box); err != nil {
			return usagef("--%v", err)
		}
	}
	f, err := output.Create(c.Out, c.Overwrite)
	if err != nil {
		return err
	}
	w, h, warnings, err := frame.Write(a.ctx, f, c.Video, c.N, box, a.log)
	if err != nil {
		f.Discard()
		return err
	}
	if err := f.Commit(); err != nil {
		return err
	}
	for _, w := range warnings {
		a.log.Warn().Msg(w)
	}
	switch {
	case a.JSON:
		return writeJSON(a, map[string]any{"path": c.Out, "frame": c.N, "width": w, "height": h})
	case !a.Quiet:
		fmt.Fprintf(a.out, "%s: frame %d of %s, %dx%d\n", c.Out, c.N, c.Video, w, h)
	}
	return nil
}
