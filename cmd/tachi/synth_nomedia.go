//go:build nomedia

package main

import (
	"context"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/synthetic"
)

var errNoVideo = graph.Errorf(graph.BadConfig, "this build writes no video, only --stream")

// synthClip says that this build cannot.
func synthClip(context.Context, *app, string, synthetic.Options, bool) error { return errNoVideo }

// synthFolder says that this build cannot.
func synthFolder(context.Context, *app, string, *synthetic.Clips) error { return errNoVideo }
