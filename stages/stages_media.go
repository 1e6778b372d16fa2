//go:build !nomedia

package stages

import (
	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/decode"
	"github.com/seed49bbd0e6/tachi/stages/encodeoutput"
)

// HasVideo reports whether this build reads and writes video through FFmpeg.
const HasVideo = true

// video are the stages that need FFmpeg.
var video = []*graph.Stage{decode.Stage, encodeoutput.Stage}
