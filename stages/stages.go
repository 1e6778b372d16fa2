// Package stages lists the stages of tachi. Adding one takes its folder and one line here.
package stages

import (
	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/decodemask"
	"github.com/seed49bbd0e6/tachi/stages/dump"
	"github.com/seed49bbd0e6/tachi/stages/h2d"
	"github.com/seed49bbd0e6/tachi/stages/images"
	"github.com/seed49bbd0e6/tachi/stages/memoryattend"
	"github.com/seed49bbd0e6/tachi/stages/memoryencode"
	"github.com/seed49bbd0e6/tachi/stages/null"
	"github.com/seed49bbd0e6/tachi/stages/sam2encode"
	"github.com/seed49bbd0e6/tachi/stages/sam2select"
	"github.com/seed49bbd0e6/tachi/stages/samuraiselect"
	"github.com/seed49bbd0e6/tachi/stages/synthetic"
	"github.com/seed49bbd0e6/tachi/stages/writemasks"
	"github.com/seed49bbd0e6/tachi/stages/writetracks"
)

// All is every stage of this build: sources, the network in the order of its work, sinks.
var All = append(video,
	images.Stage,
	synthetic.Stage,
	h2d.Stage,
	sam2encode.Stage,
	memoryattend.Stage,
	decodemask.Stage,
	samuraiselect.Stage,
	sam2select.Stage,
	memoryencode.Stage,
	writetracks.Stage,
	writemasks.Stage,
	dump.Stage,
	null.Stage,
)

// Find returns a stage by name, nil when there is none.
func Find(name string) *graph.Stage {
	for _, s := range All {
		if s.Name == name {
			return s
		}
	}
	return nil
}
