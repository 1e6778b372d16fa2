//go:build !nomedia

package pipelines

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/graph/load"
	"github.com/seed49bbd0e6/tachi/kernels/null"
	"github.com/seed49bbd0e6/tachi/stages"
)

// The bound of thousands of prompts is drawn out from dry runs of a few. It has to be what a dry
// run of all of them gives.
func TestTheBoundOfManyPromptsIsThatOfADryRunOfAll(t *testing.T) {
	for name, c := range map[string]struct {
		objects, frames int
		set             []string
	}{
		"three objects": {3, 350, nil},
		"recent":        {2, 520, []string{"stages.memory.policy=recent"}},
		"best-iou":      {2, 513, []string{"stages.memory.policy=best-iou"}},
		"four attended": {2, 520, []string{"stages.memory.max_cond_frames_in_attn=4"}},
	} {
		t.Run(name, func(t *testing.T) {
			var list []map[string]any
			for frame := range c.frames {
				for object := 1; object <= c.objects; object++ {
					p := map[string]any{"object": object, "frame": frame * object, "box": []int{4, 4, 20, 20}}
					if (frame+object)%3 == 0 {
						delete(p, "box")
						p["points"] = [][]int{{10, 10}, {2, 2, 0}, {30, 30, 0}}
					}
					list = append(list, p)
				}
			}
			text, err := json.Marshal(map[string]any{"prompts": list})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "prompts.json")
			if err := os.WriteFile(path, text, 0o666); err != nil {
				t.Fatal(err)
			}
			plan, err := load.File("bench.toml", stages.All, load.Overrides{Set: append(c.set, "stages.source.width=96", "stages.source.height=64",
				fmt.Sprint("stages.source.frames=", c.frames*c.objects), "model.config.image_size=64", "stages.source.prompts="+path)})
			if err != nil {
				t.Fatal(err)
			}
			source := plan.Source()
			probe, err := source.Stage.Probe(&graph.Env{}, source.Options)
			if err != nil {
				t.Fatal(err)
			}
			if probe.Prompts.Most != c.frames || probe.Prompts.Others != c.frames*(c.objects-1) {
				t.Fatalf("counted %+v", probe.Prompts)
			}
			plan, err = analyze.Resolve(plan, analyze.Sizing{Width: probe.Width, Height: probe.Height})
			if err != nil {
				t.Fatal(err)
			}
			thinned, err := Bound(plan, probe, null.New())
			if err != nil {
				t.Fatal(err)
			}
			probe.Prompts = graph.Prompts{} // not known: all are run
			whole, err := Bound(plan, probe, null.New())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(whole.Scratch, thinned.Scratch); d != "" {
				t.Error("scratch", d)
			}
			for i, f := range whole.Footprints {
				if d := cmp.Diff(f.Need, thinned.Footprints[i].Need); d != "" {
					t.Error(f.ID, d)
				}
				if d := cmp.Diff(f.Token, thinned.Footprints[i].Token); d != "" {
					t.Error(f.ID, "tokens", d)
				}
			}
		})
	}
}
