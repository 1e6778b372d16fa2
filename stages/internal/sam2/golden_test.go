package sam2

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/weights"
	"github.com/seed49bbd0e6/tachi/stages/internal/testdevice"
)

// Every module against the official implementation. testdata/golden.py ran each one in float64 and
// kept the whole result; it also ran it in float32 and noted the largest distance, the naive error.
// Ours may be twice as far from float64, or 1e-5 of the values' range, whichever is more. Weights
// are Init's, but for the few in heads.safetensors.

// goldens are the reference's results, and the network that must give them.
type goldens struct {
	m     *Model
	dev   kernels.Device
	file  *weights.File
	naive map[string]float64
	span  map[string]float64 // range of all values of a part: every "logit"
}

func TestModulesMatchTheReference(t *testing.T) {
	g := openGoldens(t)
	for _, c := range []struct {
		name string
		run  func(*rig)
	}{
		{"preprocess", preprocessGolden},
		{"encoder", encoderGolden},
		{"batch of images", batchGolden},
		{"prompt encoder", promptGolden},
		{"mask prompt encoder", maskPromptGolden},
		{"mask decoder", decoderGolden},
		{"memory attention", attendGolden},
		{"memory encoder", rememberGolden},
		{"object pointer", pointerGolden},
		{"mask as output", maskOutputGolden},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := kernels.NewScope(g.dev)
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			c.run(&rig{goldens: g, Scope: s, t: t})
		})
	}
}

func preprocessGolden(r *rig) {
	rgb, levels := r.host("image/rgb"), r.host("image/levels")
	got := r.keep(r.m.Preprocess(r.bytes("rgb")))
	for i, v := range r.Read(got) {
		if want := levels[int(rgb[i])*3+i%3]; v != want {
			r.t.Fatalf("element %d is %v, the reference has %v", i, v, want)
		}
	}
}

// image returns the network's input as the reference saw it.
func (r *rig) image() *kernels.Tensor {
	rgb, levels := r.host("image/rgb"), r.host("image/levels")
	x := make([]float32, len(rgb))
	for i, v := range rgb {
		x[i] = levels[int(v)*3+i%3]
	}
	return r.Upload(x, 256, 256, 3)
}

func encoderGolden(r *rig) {
	x := r.m.trunk.embed(r.Scope, r.image())
	r.check("encoder/patch", x)
	n := 0
	for _, stage := range r.m.trunk.stages {
		for _, b := range stage {
			x = b.apply(r.Scope, x)
			r.check(fmt.Sprintf("encoder/block%d", n), x)
			n++
		}
	}
	f := r.encode(r.image())[0]
	r.check("encoder/f0", f.F0)
	r.check("encoder/f1", f.F1)
	r.check("encoder/f2", f.F2)
}

// batchGolden wants an image's features to be the same bytes, whatever it is encoded with.
func batchGolden(r *rig) {
	image := r.image()
	other := r.Upload(make([]float32, image.Len()), image.Shape...)
	alone, among := r.encode(image)[0], r.encode(other, image, other)[1]
	for _, pair := range [][2]*kernels.Tensor{{alone.F0, among.F0}, {alone.F1, among.F1}, {alone.F2, among.F2}} {
		if !slices.Equal(r.Read(pair[0]), r.Read(pair[1])) {
			r.t.Errorf("features %v depend on the other images of a batch", pair[0])
		}
	}
}

// The prompts of the goldens, in pixels of the 256 x 256 image.
var (
	goldenClick  = []PointPrompt{{100.5, 60.25, 1}}
	goldenClicks = []PointPrompt{{100.5, 60.25, 1}, {30, 220, 0}}
	goldenBox    = []PointPrompt{{40, 52, 2}, {180.5, 200.75, 3}}
)

func promptGolden(r *rig) {
	for name, points := range map[string][]PointPrompt{"click": goldenClick, "clicks": goldenClicks, "box": goldenBox, "none": nil} {
		tokens, err := r.m.prompt.tokens(points)
		if err != nil {
			r.t.Fatal(err)
		}
		r.compare("prompt."+name+"/sparse", tokens)
	}
}

func maskPromptGolden(r *rig) {
	zero := r.Upload(make([]float32, r.m.hw()*r.m.cfg.Dim()), r.m.hw(), r.m.cfg.Dim())
	r.check("prompt.mask/dense", r.m.prompt.source(r.Scope, zero, r.in("decode.click/masks").Index(0)))
}

func decoderGolden(r *rig) {
	f := r.features()
	plain := r.keep(r.m.WithoutMemory(f.F2))
	prompt := r.in("decode.click/masks").Index(0)
	for name, in := range map[string]DecodeInput{
		"click":    {Points: goldenClick, Multimask: true},
		"track":    {Multimask: true},
		"clicks":   {Points: goldenClicks, Stability: &Stability{0.05, 0.98}},
		"fallback": {Points: goldenBox, Stability: &Stability{0.05, 0.999}},
		"stable":   {Points: goldenBox, Stability: &Stability{0.05, 0.98}},
		"mask":     {Points: goldenClick, Multimask: true, MaskLogits: prompt},
	} {
		in.F, in.Conditioned = f, plain
		out, err := r.m.Decode(in)
		if err != nil {
			r.t.Fatal(err)
		}
		defer r.dev.Free(out.Masks)
		defer r.dev.Free(out.Tokens)
		r.check("decode."+name+"/masks", out.Masks)
		r.check("decode."+name+"/tokens", out.Tokens)
		r.compare("decode."+name+"/iou", out.IoU)
		r.compare("decode."+name+"/logit", []float32{out.ObjectLogit})
	}
}

// attendGolden gives memory attention what the reference would choose: the prompt's memory, recent
// ones with their time positions, and all pointers with their distances over the most there can be,
// less one. It wants the same with keys and without.
func attendGolden(r *rig) {
	defer func(was bool) { r.m.attention.keyless = was }(r.m.attention.keyless)
	const most = 15
	f2, memories, pointers := r.features().F2, r.in("memories"), r.in("pointers")
	for _, c := range []struct {
		name   string
		frame  int
		recent []int // frames, oldest first
	}{
		{"one", 1, nil},
		{"seven", 9, []int{3, 4, 5, 6, 7, 8}},
	} {
		mem := []Memory{{memories.Index(0), 6}}
		ptr := []Pointer{{pointers.Index(0), float64(c.frame) / most}}
		for i, frame := range c.recent {
			mem = append(mem, Memory{memories.Index(i + 1), len(c.recent) - 1 - i})
			ptr = append(ptr, Pointer{pointers.Index(i + 1), float64(c.frame-frame) / most})
		}
		for _, keyless := range []bool{false, true} {
			r.m.attention.keyless = keyless
			r.check("attend."+c.name+"/conditioned", r.keep(r.m.Condition(f2, mem, ptr)))
		}
	}
}

// rememberGolden compares memories before they are rounded, and wants the stored ones to be those,
// rounded.
func rememberGolden(r *rig) {
	f2, low := r.features().F2, r.in("decode.click/masks").Index(0)
	lost := make([]float32, low.Len())
	for i := range lost {
		lost[i] = -1024
	}
	for _, c := range []struct {
		name             string
		mask             *kernels.Tensor
		binary, occluded bool
	}{
		{"sigmoid", low, false, false},
		{"binary", low, true, false},
		{"occluded", r.Upload(lost, low.Shape...), false, true},
	} {
		fine := r.m.memory.encode(r.Scope, r.m.cfg, f2, c.mask, c.binary, c.occluded)
		r.check("remember."+c.name+"/memory", fine)
		stored, err := kernels.Read[uint16](r.dev, r.keep(r.m.EncodeMemory(f2, c.mask, c.binary, c.occluded)))
		if err != nil {
			r.t.Fatal(err)
		}
		for i, v := range r.Read(fine) {
			if got, want := math.Float32frombits(uint32(stored[i])<<16), bf16(v); got != want {
				r.t.Fatalf("%s: element %d is stored as %v, want %v for %v", c.name, i, got, want, v)
			}
		}
	}
}

// bf16 rounds to the nearest bfloat16, ties to even.
func bf16(v float32) float32 {
	bits := math.Float32bits(v)
	bits += 0x7fff + bits>>16&1
	return math.Float32frombits(bits &^ 0xffff)
}

func pointerGolden(r *rig) {
	token := r.in("decode.track/tokens").Index(0)
	r.check("point.seen/pointer", r.keep(r.m.ObjectPointer(token, 1)))
	r.check("point.lost/pointer", r.keep(r.m.ObjectPointer(token, 0)))
}

func maskOutputGolden(r *rig) {
	low, dec, err := r.m.MaskOutput(r.features(), r.in("mask"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, x := range []*kernels.Tensor{low, dec.Masks, dec.Tokens} {
		defer r.dev.Free(x)
	}
	r.check("mask/low", low)
	r.check("mask/token", dec.Tokens)
	r.compare("mask/logit", []float32{dec.ObjectLogit})
	var lambda float32
	if dec.ObjectLogit > 0 {
		lambda = 1
	}
	r.check("mask/pointer", r.keep(r.m.ObjectPointer(dec.Tokens.Index(0), lambda)))
}

// TestNormsAddTheReferenceEpsilon looks at constants that are too small to show in the goldens:
// 1e-6 in the trunk and wherever the reference normalises a map, 1e-5 where it normalises tokens.
func TestNormsAddTheReferenceEpsilon(t *testing.T) {
	c, err := Variant("tiny")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	var visit func(path string, v reflect.Value)
	visit = func(path string, v reflect.Value) {
		switch {
		case v.Type() == reflect.TypeFor[norm]():
			want := 1e-5
			for _, maps := range []string{".trunk", ".prompt", ".memory", ".decoder.upNorm"} {
				if strings.HasPrefix(path, maps) {
					want = 1e-6
				}
			}
			if got := v.FieldByName("eps").Float(); float32(got) != float32(want) {
				t.Errorf("%s adds %v, want %v", path, got, want)
			}
			found++
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				visit(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
			for i := range v.Len() {
				visit(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
			}
		}
	}
	visit("", reflect.ValueOf(build(&binder{}, c)).Elem())
	if want := 2*12 + 2 + 4*3 + 1 + 4 + 2 + 2*4 + 1 + 1; found != want {
		t.Errorf("%d norms, want %d", found, want)
	}
}

// rig is what a golden test needs: the goldens, a scope for what it uploads, and where to complain.
type rig struct {
	*goldens
	*kernels.Scope
	t *testing.T
}

// openGoldens loads the goldens and the reduced network.
func openGoldens(t *testing.T) *goldens {
	t.Helper()
	dev := testdevice.Open(t, 2)
	m, err := loadReduced(dev)
	if err != nil {
		t.Fatal(err)
	}
	file, err := weights.Open(path.Join("testdata", "modules.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Close()
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	text, err := os.ReadFile(path.Join("testdata", "modules.json"))
	if err != nil {
		t.Fatal(err)
	}
	var meta struct {
		Naive map[string]float64 `json:"naive_error"`
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		t.Fatal(err)
	}
	g := &goldens{m: m, dev: dev, file: file, naive: meta.Naive, span: map[string]float64{}}
	ends := map[string][]float32{}
	for name := range meta.Naive {
		part := path.Base(name)
		ends[part] = append(ends[part], g.host(name)...)
	}
	for part, v := range ends {
		g.span[part] = float64(slices.Max(v)) - float64(slices.Min(v))
	}
	return g
}

// loadReduced makes the network of testdata/reduced.json: a variant made smaller under the
// reference's own keys, generated weights, and the heads that golden.py changed.
func loadReduced(dev kernels.Device) (*Model, error) {
	text, err := os.ReadFile(path.Join("testdata", "reduced.json"))
	if err != nil {
		return nil, err
	}
	var file struct {
		Variant  string
		Seed     uint64
		Override map[string]any
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	c, err := Variant(file.Variant)
	if err != nil {
		return nil, err
	}
	if c, err = c.Override(file.Override); err != nil {
		return nil, err
	}
	heads, err := weights.Open(path.Join("testdata", "heads.safetensors"))
	if err != nil {
		return nil, err
	}
	defer heads.Close()
	var tensors []*weights.Tensor
	for name, x := range Init(c, file.Seed) {
		if head, ok := heads.Lookup(name); ok {
			x = head
		}
		tensors = append(tensors, x)
	}
	f, err := weights.FromTensors("reduced", tensors)
	if err != nil {
		return nil, err
	}
	return Load(dev, c, f)
}

// host returns a golden's values.
func (g *goldens) host(name string) []float32 {
	x, ok := g.file.Lookup(name)
	if !ok {
		panic("no golden " + name)
	}
	if x.DType == kernels.U8 {
		raw, err := x.Dense()
		if err != nil {
			panic(err)
		}
		out := make([]float32, len(raw))
		for i, b := range raw {
			out[i] = float32(b)
		}
		return out
	}
	out, err := x.Float32()
	if err != nil {
		panic(err)
	}
	return out
}

// tolerance returns how far from a golden a value may be. Lists of a few scores are too short to
// tell their range, so they get that of all scores of their kind.
func (g *goldens) tolerance(name string) float64 {
	v := g.host(name)
	span := float64(slices.Max(v)) - float64(slices.Min(v))
	if len(v) < 16 {
		span = g.span[path.Base(name)]
	}
	return max(2*g.naive[name], 1e-5*span)
}

// in uploads a golden; small integers become float32.
func (r *rig) in(name string) *kernels.Tensor {
	x, _ := r.file.Lookup(name)
	if x.DType == kernels.BF16 {
		return r.bytes(name)
	}
	return r.Upload(r.host(name), x.Shape...)
}

// bytes uploads a golden in its own type.
func (r *rig) bytes(name string) *kernels.Tensor {
	x, _ := r.file.Lookup(name)
	raw, err := x.Dense()
	if err != nil {
		r.t.Fatal(err)
	}
	y := r.New(x.DType, x.Shape...)
	if err := r.dev.Upload(y, raw); err != nil {
		r.t.Fatal(err)
	}
	return y
}

// features uploads the reference's features, so that one module's error does not reach the next.
func (r *rig) features() Features {
	return Features{r.in("encoder/f0"), r.in("encoder/f1"), r.in("encoder/f2")}
}

// encode runs the encoder; the features last as long as the test.
func (r *rig) encode(images ...*kernels.Tensor) []Features {
	fs, err := r.m.Encode(images)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range fs {
		r.keep(f.F0, nil)
		r.keep(f.F1, nil)
		r.keep(f.F2, nil)
	}
	return fs
}

// keep frees a result when the test is over.
func (r *rig) keep(x *kernels.Tensor, err error) *kernels.Tensor {
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { r.dev.Free(x) })
	return x
}

// check compares a device tensor with a golden.
func (r *rig) check(name string, x *kernels.Tensor) { r.t.Helper(); r.compare(name, r.Read(x)) }

// compare compares values with a golden.
func (r *rig) compare(name string, got []float32) {
	r.t.Helper()
	want, tolerance := r.host(name), r.tolerance(name)
	if len(got) != len(want) {
		r.t.Fatalf("%s has %d values, want %d", name, len(got), len(want))
	}
	worst, at := 0.0, 0
	for i, v := range got {
		if d := math.Abs(float64(v) - float64(want[i])); d > worst || math.IsNaN(d) {
			worst, at = d, i
		}
	}
	r.t.Logf("%-24s error %.1e of %.1e allowed, naive %.1e", name, worst, tolerance, r.naive[name])
	if !(worst <= tolerance) {
		r.t.Errorf("%s: element %d is %v, want %v within %.1e", name, at, got[at], want[at], tolerance)
	}
}
