//go:build !nomedia

package main

import (
	"context"
	"fmt"

	"github.com/seed49bbd0e6/tachi/stages/synth"
	"github.com/seed49bbd0e6/tachi/stages/synthetic"
)

// synthClip writes one mp4.
func synthClip(ctx context.Context, a *app, path string, o synthetic.Options, overwrite bool) error {
	b, err := synth.Clip(ctx, path, o, overwrite, a.log)
	if err != nil {
		return err
	}
	if a.JSON {
		return writeJSON(a, map[string]any{"path": path, "box": b})
	}
	_, err = fmt.Fprintf(a.out, "%s: the target is at --box %d,%d,%d,%d\n", path, b[0], b[1], b[2], b[3])
	return err
}

// synthFolder writes clips with ground truth.
func synthFolder(ctx context.Context, a *app, path string, clips *synthetic.Clips) error {
	if err := synth.Folder(ctx, path, clips, a.log); err != nil {
		return err
	}
	if a.JSON {
		return writeJSON(a, map[string]any{"path": path, "clips": clips.Count})
	}
	_, err := fmt.Fprintf(a.out, "wrote %s (%d clips)\n", path, clips.Count)
	return err
}
