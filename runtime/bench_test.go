package runtime

import (
	"github.com/seed49bbd0e6/tachi/graph/analyze"

	goruntime "runtime"
	"runtime/debug"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
)

// The graph of pipelines/samurai.toml with stages that do nothing: eight stages, fourteen edges,
// three of them delayed. What is left is the engine: ns per frame, and with 14 edges ns per edge.

type tensors struct{}

func (*tensors) Release() {}

// frame, image and so on stand for the tokens.
type (
	picture struct {
		Frame *num `port:"frame"`
	}
	image struct {
		Image *tensors `port:"image"`
	}
	features struct {
		Features *tensors `port:"features"`
	}
	attendIn struct {
		Features *tensors `port:"features"`
		Bank     *tensors `port:"bank,delay"`
	}
	conditioned struct {
		Conditioned *tensors `port:"conditioned"`
	}
	masksIn struct {
		Frame       *num     `port:"frame"`
		Features    *tensors `port:"features"`
		Conditioned *tensors `port:"conditioned"`
	}
	candidates struct {
		Candidates *tensors `port:"candidates"`
	}
	selectIn struct {
		Candidates *tensors `port:"candidates"`
		Motion     *num     `port:"motion,delay"`
	}
	selection struct {
		Selection *tensors `port:"selection"`
		Result    *num     `port:"result"`
		Motion    *num     `port:"motion,state"`
	}
	memoryIn struct {
		Features  *tensors `port:"features"`
		Selection *tensors `port:"selection"`
		Bank      *tensors `port:"bank,delay"`
	}
	bank struct {
		Bank   *tensors `port:"bank,state"`
		Report *num     `port:"report"`
	}
	outputIn struct {
		Frame  *num `port:"frame"`
		Result *num `port:"result"`
	}
)

func samurai(frames int) *builder {
	b := &builder{}
	n, d := &num{}, &tensors{}
	b.add("decode", graph.NewSource("decode", "", counterOf(frames, func(int) *picture { return &picture{n} })))
	b.add("upload", stage(func(in *picture) (*image, error) { return &image{d}, nil }).WithLease())
	encode := stage(func(in *image) (*features, error) { return &features{d}, nil })
	encode.Gather = true
	b.add("encode", encode)
	b.add("attend", stage(func(in *attendIn) (*conditioned, error) { return &conditioned{d}, nil }))
	b.add("masks", stage(func(in *masksIn) (*candidates, error) { return &candidates{d}, nil }))
	b.add("select", stage(func(in *selectIn) (*selection, error) { return &selection{d, n, n}, nil }))
	b.add("memory", stage(func(in *memoryIn) (*bank, error) { return &bank{d, n}, nil }))
	b.add("output", sink(func(in *outputIn) error { return nil }, nil))
	for _, l := range [][2]string{
		{"decode.frame", "upload.frame"}, {"upload.image", "encode.image"}, {"encode.features", "attend.features"},
		{"decode.frame", "masks.frame"}, {"encode.features", "masks.features"}, {"attend.conditioned", "masks.conditioned"},
		{"masks.candidates", "select.candidates"}, {"encode.features", "memory.features"}, {"select.selection", "memory.selection"},
		{"decode.frame", "output.frame"}, {"select.result", "output.result"},
	} {
		b.link(l[0], l[1], 0)
	}
	b.link("memory.bank", "attend.bank", 1)
	b.link("select.motion", "select.motion", 1)
	b.link("memory.bank", "memory.bank", 1)
	return b
}

// resolved gives the edges the capacities of the graph package.
func resolved(tb testing.TB, b *builder, batch, micro int) *graph.Plan {
	b.done(micro)
	for _, e := range b.plan.Edges {
		e.Capacity = 0
	}
	b.plan.Pipeline.Batch, b.plan.Pipeline.Micro = batch, micro
	plan, err := analyze.Resolve(&b.plan, analyze.Sizing{})
	if err != nil {
		tb.Fatal(err)
	}
	return plan
}

func BenchmarkEmptySamurai(b *testing.B) {
	for _, micro := range []int{1, 2} {
		b.Run(map[int]string{1: "micro=1", 2: "micro=2"}[micro], func(b *testing.B) {
			plan := resolved(b, samurai(b.N), 8, micro)
			b.ReportAllocs()
			b.ResetTimer()
			rep, err := Run(b.Context(), plan, environment(8, micro), Options{})
			if err != nil || rep.Frames != b.N {
				b.Fatal(rep.Frames, err)
			}
			ns := float64(b.Elapsed()) / float64(b.N)
			b.ReportMetric(ns, "ns/frame")
			b.ReportMetric(ns/float64(len(plan.Edges)), "ns/edge")
			b.ReportMetric(float64(rep.PeakResident), "resident")
		})
	}
}

// BenchmarkHeapOfEmptySamurai says what a run holds: heap in use after its frames, beside what was
// there before.
func BenchmarkHeapOfEmptySamurai(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	plan := resolved(b, samurai(max(b.N, 10000)), 8, 2)
	var before, now goruntime.MemStats
	goruntime.GC()
	goruntime.ReadMemStats(&before)
	peak := uint64(0)
	_, err := Run(b.Context(), plan, environment(8, 2), Options{Every: 1e6, Progress: func(Snapshot) {
		goruntime.ReadMemStats(&now)
		peak = max(peak, now.HeapInuse)
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(peak-before.HeapInuse)/(1<<10), "KiB-peak")
}

// TestEmptySamuraiPasses runs the benchmark's graph once.
func TestEmptySamuraiPasses(t *testing.T) {
	rep, err := Run(t.Context(), resolved(t, samurai(100), 8, 2), environment(8, 2), Options{})
	if err != nil || rep.Frames != 100 || len(rep.Stages) != 8 {
		t.Errorf("%d frames, error %v", rep.Frames, err)
	}
}
