//go:build !nomedia

package pipelines

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/graph/load"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/null"
	"github.com/seed49bbd0e6/tachi/runtime"
	"github.com/seed49bbd0e6/tachi/stages"
	"github.com/seed49bbd0e6/tachi/stages/model"
)

var update = flag.Bool("update", false, "write the golden table")

// load1280 is the benchmark's pipeline, whose memories fill up whatever the network says, for an
// input of 1280x720.
func load1280(t *testing.T, variant string, more ...string) (*graph.Plan, graph.Probe) {
	t.Helper()
	plan, err := load.File("bench.toml", stages.All, load.Overrides{Variant: variant,
		Set: append(more, "stages.source.width=1280", "stages.source.height=720", "stages.source.frames=48")})
	if err != nil {
		t.Fatal(err)
	}
	return plan, graph.Probe{Width: 1280, Height: 720, Frames: 48, Objects: 1}
}

// fitted settles a plan for an input and a device.
func fitted(t *testing.T, plan *graph.Plan, probe graph.Probe, dev kernels.Device) (*graph.Plan, *analyze.Bound) {
	t.Helper()
	fit, b, err := analyze.Fit(plan, analyze.Sizing{Width: probe.Width, Height: probe.Height}, func(p *graph.Plan) (*analyze.Bound, error) { return Bound(p, probe, dev) })
	if err != nil {
		t.Fatal(err)
	}
	return fit, b
}

// imagined lets the source emit the frames that it imagines, at once.
func imagined(probe graph.Probe) func(*graph.PlanNode) {
	return func(n *graph.PlanNode) {
		if n.Stage.Role != graph.Source {
			return
		}
		stage := n.Stage
		options := n.Options
		n.Stage = graph.Wrap(stage, func(env *graph.Env, inst *graph.Node) *graph.Node {
			return &graph.Node{Close: inst.Close, Run: func(_ context.Context, emit func(any) error) error {
				frames, err := stage.Imagine(env, options, probe, probe.Frames)
				for _, f := range frames {
					if err := emit(f); err != nil {
						return err
					}
				}
				return err
			}}
		})
	}
}

// fire is a firing of a stage.
type fire = func(context.Context, []any) ([]any, error)

// slow makes the firings of a stage take time.
func slow(id string, wait func(firing int) time.Duration) func(*graph.PlanNode) {
	count := 0
	return around(id, func(f fire) fire {
		return func(ctx context.Context, in []any) ([]any, error) {
			time.Sleep(wait(count))
			count++
			return f(ctx, in)
		}
	})
}

// around puts something around the firings of a stage.
func around(id string, wrap func(fire) fire) func(*graph.PlanNode) {
	return func(n *graph.PlanNode) {
		if n.ID == id {
			n.Stage = graph.Wrap(n.Stage, func(_ *graph.Env, inst *graph.Node) *graph.Node {
				return &graph.Node{Fire: wrap(inst.Fire), Close: inst.Close}
			})
		}
	}
}

// A bound that nothing comes near is no bound. With a slow encoder images pile up before it, with a
// sink that stops the features behind it, and the benchmark's policy fills the bank: every arena is
// then nine tenths full at some time.
func TestTheBoundIsReached(t *testing.T) {
	for _, variant := range []string{"nano", "tiny"} {
		t.Run(variant, func(t *testing.T) {
			plan, probe := load1280(t, variant)
			dev := null.New()
			plan, b := fitted(t, plan, probe, dev)
			model, err := model.Dry(dev, plan.Model)
			if err != nil {
				t.Fatal(err)
			}
			plan = plan.Edit(imagined(probe)).Edit(slow("encode", func(int) time.Duration { return 5 * time.Millisecond })).Edit(slow("sink", func(firing int) time.Duration {
				if firing < 20 || firing%5 > 0 { // odd and even, as frames leave the encoder by two
					return 0
				}
				return 50 * time.Millisecond
			}))
			env := &graph.Env{Device: dev, Model: model.Network, Batch: b.Batch, Micro: b.Micro, Log: zerolog.Nop()}
			report, err := runtime.Run(t.Context(), plan, env, runtime.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if report.PeakResident != b.Batch {
				t.Errorf("at most %d frames resident, want %d", report.PeakResident, b.Batch)
			}
			for _, s := range report.Stages {
				if s.Bound > 0 {
					t.Logf("%-8s %9d of %9d bytes, %.3f", s.ID, s.PeakResident, s.Bound, float64(s.PeakResident)/float64(s.Bound))
				}
				if s.PeakResident > s.Bound || 10*s.PeakResident < 9*s.Bound {
					t.Errorf("%s: %d of the planned %d bytes", s.ID, s.PeakResident, s.Bound)
				}
			}
			model.Close()
			if err := dev.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A checkpoint of a full bank takes at most 8 MB for an object.
func TestACheckpointIsSmall(t *testing.T) {
	dir := t.TempDir()
	plan, probe := load1280(t, "tiny", "stages.sink.stage=write-tracks", "stages.sink.path="+filepath.Join(dir, "t.txt"), "stages.sink.events="+filepath.Join(dir, "e.jsonl"))
	dev := null.New()
	plan, err := analyze.Resolve(plan, analyze.Sizing{Width: probe.Width, Height: probe.Height})
	if err != nil {
		t.Fatal(err)
	}
	model, err := model.Dry(dev, plan.Model)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	plan = plan.Edit(imagined(probe))
	env := &graph.Env{Device: dev, Model: model.Network, Batch: plan.Pipeline.Batch, Micro: plan.Pipeline.Micro, Log: zerolog.Nop()}
	size := 0
	_, err = runtime.Run(t.Context(), plan, env, runtime.Options{CheckpointEvery: 20, Checkpoint: func(c *runtime.Checkpoint) error {
		size = 0
		for _, part := range c.Tokens {
			size += len(part)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if full := 7*64*64*64*2 + 16*256*4; size < full || size > 8e6 { // seven memories in bfloat16, 16 pointers
		t.Errorf("%d bytes for an object, want from %d to 8 MB", size, full)
	}
}

// The bound of the four official networks, for four sizes of video, with one object and with five,
// as golden table. The device is one that packs nothing and needs no scratch memory, so that the
// table is the same everywhere. With -short four of its 32 rows are looked at: each network and
// each size of video once, with one object and with five.
func TestBoundsOfTheOfficialNetworks(t *testing.T) {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "network\tvideo\tobjects\tbatch\tmicro\ttokens\tstate\tworkspace\tweights\tbound\t")
	prompts := filepath.Join(t.TempDir(), "prompts.json")
	few := testing.Short() && !*update
	if few {
		t.Log("4 rows instead of 32")
	}
	for v, variant := range []string{"tiny", "small", "base_plus", "large"} {
		for s, size := range [][2]int{{854, 480}, {1280, 720}, {1920, 1080}, {3840, 2160}} {
			for o, objects := range []int{1, 5} {
				if few && (s != v || o != v%2) {
					continue
				}
				var list []map[string]any
				for i := range objects {
					list = append(list, map[string]any{"object": i + 1, "frame": 0, "box": []int{10 * i, 10, 50, 40}})
				}
				text, _ := json.Marshal(map[string]any{"prompts": list})
				if err := os.WriteFile(prompts, text, 0o666); err != nil {
					t.Fatal(err)
				}
				plan, err := load.File("bench.toml", stages.All, load.Overrides{Variant: variant, Set: []string{
					fmt.Sprint("stages.source.width=", size[0]), fmt.Sprint("stages.source.height=", size[1]),
					"stages.source.prompts=" + prompts, "stages.memory.policy=samurai"}})
				if err != nil {
					t.Fatal(err)
				}
				_, b := fitted(t, plan, graph.Probe{Width: size[0], Height: size[1]}, null.New())
				tokens, state, work := 0, 0, 0
				for _, f := range b.Footprints {
					tokens, state, work = tokens+f.Tokens(), state+f.State(), work+f.Need.Work
				}
				fmt.Fprintf(w, "%s\t%dx%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", variant, size[0], size[1], objects, b.Batch, b.Micro, tokens, state, work, b.Weights, b.Bytes())
			}
		}
	}
	w.Flush()
	const path = "testdata/bounds.txt"
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if few {
		rows := map[string]bool{}
		for line := range strings.Lines(string(want)) {
			rows[strings.Join(strings.Fields(line), " ")] = true
		}
		for line := range strings.Lines(out.String()) {
			if row := strings.Join(strings.Fields(line), " "); !rows[row] {
				t.Errorf("bounds in bytes have changed; not in the table: %s", row)
			}
		}
		return
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("bounds in bytes have changed; go test -update after a look (-want +got):\n%s", diff)
	}
}
