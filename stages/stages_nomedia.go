//go:build nomedia

package stages

import "github.com/seed49bbd0e6/tachi/graph"

// HasVideo reports whether this build reads and writes video through FFmpeg.
const HasVideo = false

// video is empty: this build leaves out the stages that need FFmpeg.
var video []*graph.Stage
