package main

import (
	"bufio"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels/cpu"
	"github.com/seed49bbd0e6/tachi/stages/synthetic"
)

// synthCmd writes made-up video.
type synthCmd struct {
	Out       string `short:"o" default:"clip.mp4" help:"Output: an mp4, or a folder for clips with their ground truth."`
	Stream    bool   `help:"Write raw frames and masks to standard output instead: per clip a line of JSON, then per frame RGB and one mask of 0 and 1 per object."`
	Family    string `default:"easy" help:"easy, occlusion, crossing, exit; tour, with all of these; or all, in turns, with several clips."`
	Seed      int    `default:"1" help:"Which clip of the family; the first of several. Training uses 1000000 and on, validation 2000000, test 3000000."`
	Clips     int    `default:"1" help:"Clips to write, seeds counting up."`
	Frames    int    `default:"60" help:"Length."`
	Size      string `default:"640x360" placeholder:"WxH" help:"Pixels."`
	FPS       int    `default:"30" help:"Frames per second."`
	Jobs      int    `default:"0" help:"Clips to draw at once with --stream; 0 for one a core."`
	Overwrite bool   `help:"Replace an existing mp4."`
}

// clips returns what to draw.
func (c *synthCmd) clips() (*synthetic.Clips, error) {
	clips := &synthetic.Clips{Family: c.Family, Seed: c.Seed, Count: c.Clips, Frames: c.Frames, FPS: c.FPS}
	var err error
	if clips.Width, clips.Height, err = parseSize(c.Size); err != nil {
		return nil, err
	}
	if err := clips.Validate(); err != nil {
		return nil, usagef("--%v", err)
	}
	return clips, nil
}

// parseSize reads "640x360".
func parseSize(text string) (w, h int, err error) {
	var rest string
	if n, _ := fmt.Sscanf(text+" .", "%dx%d %s", &w, &h, &rest); n != 3 || rest != "." {
		return 0, 0, usagef("--size %q: want width x height, e.g. 640x360", text)
	}
	return w, h, nil
}

// Run writes the clips, and prints where the target is on the first frame of a single one.
func (c *synthCmd) Run(a *app) error {
	clips, err := c.clips()
	if err != nil {
		return err
	}
	ctx, stop := a.whole()
	defer stop()
	if c.Stream {
		jobs := c.Jobs
		if jobs < 1 {
			jobs = cpu.Processors()
		}
		out := bufio.NewWriterSize(a.out, 1<<20)
		if err := clips.Stream(ctx, out, jobs); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &graph.Error{Kind: graph.BadOutput, Err: err}
		}
		return out.Flush()
	}
	switch ext := filepath.Ext(c.Out); {
	case ext == "" || strings.HasSuffix(c.Out, "/"):
		return synthFolder(ctx, a, c.Out, clips)
	case ext != ".mp4":
		return usagef("-o %s: the name must end in .mp4, or in / for a folder", c.Out)
	}
	if clips.Count != 1 || c.Family == "all" {
		return usagef("%s holds one clip of one family: give a folder with -o, or --stream", c.Out)
	}
	return synthClip(ctx, a, c.Out, clips.Options(0), c.Overwrite)
}
