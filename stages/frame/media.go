//go:build !nomedia

package frame

import (
	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/decode"
)

// videoSource returns the stage that reads a video, and its options.
func videoSource(path string) (*graph.Stage, any) {
	return decode.Stage, &decode.Options{Path: graph.Path(path), Threads: 1}
}
