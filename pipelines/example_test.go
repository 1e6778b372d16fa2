//go:build !nomedia

package pipelines_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/seed49bbd0e6/tachi/pipelines"
)

// A program that tracks an object through a video: where it is on every frame, and the overlay.
func Example() {
	dir, _ := os.MkdirTemp("", "example")
	defer os.RemoveAll(dir)
	p, err := pipelines.Load("samurai", pipelines.Overrides{Input: "demo/clip.mp4", Source: pipelines.Box(146, 100, 62, 79), Out: dir,
		Set: []string{"stages.decode.frames=3"}})
	if err != nil {
		log.Fatal(err)
	}
	report, err := p.Run(context.Background(), pipelines.Options{Results: func(r pipelines.Result) error {
		for _, o := range r.Objects {
			fmt.Println("frame", r.Frame, "object", o.ID, "lost", o.Lost())
		}
		return nil
	}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Frames, "frames")
	// Output:
	// frame 0 object 1 lost false
	// frame 1 object 1 lost false
	// frame 2 object 1 lost false
	// 3 frames
}
