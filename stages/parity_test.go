package stages

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/load"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/weights"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/testdevice"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
	"github.com/seed49bbd0e6/tachi/stages/samuraiselect"
)

// Forty frames through the real stages against the official predictors of SAM 2 and SAMURAI, for a
// box, a click and a mask, and a clip too short for all pointers. The reduced network, the clip,
// the prompts and what the predictors did on every frame are those of internal/sam2/testdata.
// Logits may be ten times as far from the reference's as its float32 is from its own float64, and
// 1e-3 of their range at most. What was chosen, kept and attended to must be the same: golden.py
// made sure that no choice was a close one, and that together the runs go through all of SAMURAI's
// rules.

const goldenData = "internal/sam2/testdata"

// tracker is the pipeline under test, with the select and memory stages of either rules.
const tracker = `
[stages.clip]
stage = "golden"
[stages.upload]
stage = "h2d"
inputs = { frame = "clip.frame" }
[stages.encode]
stage = "sam2-encode"
inputs = { image = "upload.image" }
[stages.attend]
stage = "memory-attend"
inputs = { features = "encode.features", bank = { from = "memory.bank", delay = 1 } }
[stages.masks]
stage = "decode-mask"
inputs = { features = "encode.features", conditioned = "attend.conditioned" }
[stages.memory]
stage = "memory-encode"
inputs = { features = "encode.features", selection = "select.selection", bank = { from = "memory.bank", delay = 1 } }
`

var rules = map[string]string{
	"sam2": tracker + `policy = "recent"
[stages.select]
stage = "sam2-select"
inputs = { candidates = "masks.candidates" }
`,
	"samurai": tracker + `policy = "samurai"
[stages.select]
stage = "samurai-select"
inputs = { candidates = "masks.candidates", motion = { from = "select.motion", delay = 1 } }
`,
}

// goldenFrame is what the reference did on one frame.
type goldenFrame struct {
	Frame        int
	IoUs         []float64
	ObjectLogit  float64 `json:"object_logit"`
	Multimask    bool
	Chosen       int
	Stage        string
	StableFrames int      `json:"stable_frames"`
	KFScore      *float64 `json:"kf_score"`
	Box          [4]int
	Pixels       int      // of the mask at the video's resolution
	Memories     [][2]int // frame and row of maskmem_tpos_enc
	Pointers     []int    // frames
}

// goldenConfig is reduced.json.
type goldenConfig struct {
	Variant  string
	Seed     uint64
	Override map[string]any
	Runs     []goldenRun
}

// goldenRun is one way to prompt the clip.
type goldenRun struct {
	Name   string
	Frames int
	Prompt struct {
		Box   []float32 // x0, y0, x1, y1
		Point []float32
		Mask  []int // a filled rectangle, the last column and row excluded
	}
	// Options that are not at their defaults, of the mask decoder and of samurai-select.
	Masks, SAMURAI map[string]any
}

func TestTrackedFramesMatchTheReference(t *testing.T) {
	var c goldenConfig
	readJSON(t, "reduced.json", &c)
	dev := testdevice.Open(t, 2)
	model := reducedModel(t, dev, c)
	defer func() {
		model.Close()
		if err := dev.Close(); err != nil {
			t.Error(err) // says what a stage has left allocated
		}
	}()
	clip := openGolden(t, "sam2").bytes(t, "clip")
	for name, text := range rules {
		var want map[string]struct {
			Frames []goldenFrame
			Drift  float64 `json:"float32_drift"` // between the reference in float32 and in float64
		}
		readJSON(t, name+".json", &want)
		file := openGolden(t, name)
		for _, run := range c.Runs {
			t.Run(name+" "+run.Name, func(t *testing.T) {
				var o load.Overrides
				for key, v := range run.Masks {
					o.Set = append(o.Set, fmt.Sprintf("stages.masks.%s=%v", key, v))
				}
				for key, v := range run.SAMURAI {
					if name == "samurai" {
						o.Set = append(o.Set, fmt.Sprintf("stages.select.%s=%v", key, v))
					}
				}
				w := &walk{env: &graph.Env{Device: dev, Model: model, Batch: 1, Micro: 1, Log: zerolog.Nop()}}
				w.open(t, text, o, goldenSource(clip, 96, 80, run))
				defer w.release()
				k := &checker{T: t, walk: w, want: want[run.Name].Frames, tolerance: min(10*want[run.Name].Drift, 1e-3),
					logits: file.floats(t, run.Name+"/logits"), pointers: file.floats(t, run.Name+"/pointers")}
				w.run(t, k.frame)
				if k.seen != len(k.want) {
					t.Errorf("%d frames, want %d", k.seen, len(k.want))
				}
				t.Logf("logits within %.1e of their range (%.1e allowed), pointers %.1e, IoUs %.1e, object logits %.1e, motion scores %.1e",
					k.worst["logits"], k.tolerance, k.worst["pointer"], k.worst["IoU"], k.worst["object logit"], k.worst["motion score"])
			})
		}
	}
}

// checker compares the tokens of a frame with the golden one.
type checker struct {
	*testing.T
	*walk
	want             []goldenFrame
	tolerance        float64   // of the logits' and the pointers' range
	iou              float64   // of predicted IoUs, 1e-4 when that is larger
	logits, pointers []float32 // [frames, side*side], [frames, d]
	seen             int
	attend           []token.Slot // what the bank offered this frame
	kept             []int        // frames whose pointers it held
	worst            map[string]float64
}

func (k *checker) frame() {
	want := k.want[k.seen]
	got := k.token("select", "result").(*token.Result).Objects[0]
	cand := k.token("masks", "candidates").(*token.Candidates).Objects[0]
	sel := k.token("select", "selection").(*token.Selection).Objects[0]

	if cand.Multimask != want.Multimask || got.Chosen != want.Chosen {
		k.Fatalf("frame %d: candidate %d chosen (several: %v), want %d (%v)", want.Frame, got.Chosen, cand.Multimask, want.Chosen, want.Multimask)
	}
	if got.FilterStage != want.Stage {
		k.Errorf("frame %d: filter stage %q, want %q", want.Frame, got.FilterStage, want.Stage)
	}
	if got.Box().Span().Pixels() != want.Box {
		k.Errorf("frame %d: box %v, want %v", want.Frame, got.Box().Span().Pixels(), want.Box)
	}
	n := strings.Count(string(got.Mask().Pix), "\x01")
	if max(n-want.Pixels, want.Pixels-n) > 2 { // so far may float32 and float64 differ
		k.Errorf("frame %d: %d pixels, want %d", want.Frame, n, want.Pixels)
	}

	logits := k.logits[k.seen*len(got.Logits):][:len(got.Logits)]
	k.near("logits", got.Logits, logits, span(logits))
	pointer, err := kernels.Read[float32](k.env.Device, sel.Pointer)
	if err != nil {
		k.Fatal(err)
	}
	wantPointer := k.pointers[k.seen*len(pointer):][:len(pointer)]
	k.near("pointer", pointer, wantPointer, span(wantPointer))
	for i, iou := range want.IoUs {
		k.close("IoU", float64(cand.IoU[i]), iou, max(k.iou, 1e-4))
	}
	k.close("object logit", float64(got.ObjectLogit), want.ObjectLogit, 1e-3)

	if cand.MaskPrompt {
		want.KFScore = got.KFScore // the reference says 1 here and never reads it
	}
	switch {
	case (got.KFScore == nil) != (want.KFScore == nil):
		k.Errorf("frame %d: motion score %v, want %v", want.Frame, got.KFScore, want.KFScore)
	case got.KFScore != nil:
		k.close("motion score", *got.KFScore, *want.KFScore, 1e-9)
	}
	if motion, ok := k.token("select", "motion").(*samuraiselect.Motion); ok {
		stable := 0 // a single mask never starts the filter
		if len(motion.Objects) > 0 {
			stable = motion.Objects[0].Stable
		}
		if stable != want.StableFrames {
			k.Errorf("frame %d: %d stable frames, want %d", want.Frame, stable, want.StableFrames)
		}
	}

	k.memories(want)
	bank := k.token("memory", "bank").(*token.Bank).Find(1)
	k.attend, k.kept = bank.Attend, nil
	for _, m := range append(slices.Clone(bank.Prompts), bank.Pointers...) {
		k.kept = append(k.kept, m.Frame)
	}
	k.seen++
}

// memories compares what the bank of the frame before offered to this frame.
func (k *checker) memories(want goldenFrame) {
	var memories [][2]int
	for _, slot := range k.attend {
		memories = append(memories, [2]int{slot.Frame, slot.TPos})
	}
	byFrame := func(a, b [2]int) int { return a[0] - b[0] }
	slices.SortFunc(memories, byFrame)
	slices.SortFunc(want.Memories, byFrame)
	if diff := cmp.Diff(want.Memories, memories); diff != "" && len(memories)+len(want.Memories) > 0 {
		k.Errorf("frame %d: attends to other memories (frame, time position):\n%s", want.Frame, diff)
	}
	var pointers []int
	for _, frame := range k.kept {
		if frame == 0 || want.Frame-frame < 16 {
			pointers = append(pointers, frame)
		}
	}
	slices.Sort(pointers)
	slices.Sort(want.Pointers)
	if !slices.Equal(pointers, want.Pointers) {
		k.Errorf("frame %d: pointers of frames %v, want %v", want.Frame, pointers, want.Pointers)
	}
}

// near compares lists whose values have a range.
func (k *checker) near(what string, got, want []float32, span float64) {
	worst := 0.0
	for i, v := range got {
		worst = max(worst, math.Abs(float64(v)-float64(want[i])))
		if v != v {
			worst = math.Inf(1)
		}
	}
	if !(worst <= k.tolerance*span) {
		k.Errorf("frame %d: %s off by %.1e of their range, want at most %.1e", k.seen, what, worst/span, k.tolerance)
	}
	if span > 0 {
		k.note(what, worst/span)
	}
}

func (k *checker) close(what string, got, want, tolerance float64) {
	d := math.Abs(got - want)
	k.note(what, d)
	if !(d <= tolerance) {
		k.Errorf("frame %d: %s %v, want %v", k.seen, what, got, want)
	}
}

func (k *checker) note(what string, d float64) {
	if k.worst == nil {
		k.worst = map[string]float64{}
	}
	k.worst[what] = max(k.worst[what], d)
}

func span(v []float32) float64 { return float64(slices.Max(v)) - float64(slices.Min(v)) }

// reducedModel loads the reduced network: generated weights, but for the heads that golden.py
// changed.
func reducedModel(t *testing.T, dev kernels.Device, c goldenConfig) *sam2.Model {
	t.Helper()
	cfg, err := sam2.Variant(c.Variant)
	if err != nil {
		t.Fatal(err)
	}
	if cfg, err = cfg.Override(c.Override); err != nil {
		t.Fatal(err)
	}
	heads := openGolden(t, "heads")
	var all []*weights.Tensor
	for name, x := range sam2.Init(cfg, c.Seed) {
		if head, ok := heads.Lookup(name); ok {
			x = head
		}
		all = append(all, x)
	}
	f, err := weights.FromTensors("reduced", all)
	if err != nil {
		t.Fatal(err)
	}
	model, err := sam2.Load(dev, cfg, f)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func readJSON(t *testing.T, name string, v any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(goldenData, name))
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// goldenFile is one file of tensors.
type goldenFile struct{ *weights.File }

func openGolden(t *testing.T, name string) goldenFile {
	t.Helper()
	f, err := weights.Open(filepath.Join(goldenData, name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return goldenFile{f}
}

// bytes returns the elements of a u8 tensor.
func (f goldenFile) bytes(t *testing.T, name string) []byte {
	t.Helper()
	x, ok := f.Lookup(name)
	if !ok {
		t.Fatalf("no golden %s", name)
	}
	v, err := x.Dense()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// floats returns the elements of an f32 tensor.
func (f goldenFile) floats(t *testing.T, name string) []float32 {
	t.Helper()
	x, ok := f.Lookup(name)
	if !ok {
		t.Fatalf("no golden %s", name)
	}
	v, err := x.Float32()
	if err != nil {
		t.Fatal(err)
	}
	return v
}
