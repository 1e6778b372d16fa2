// Package teststage opens and fires a single stage beside a tiny network, on the device that tests
// run on. Only tests import it.
package teststage

import (
	"context"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/weights"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/testdevice"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// The size of the video.
const Width, Height = 80, 60

// Bench is where a stage is tested. At the end of the test the device must hold nothing: what the
// stage left allocated, or the test did not release, fails it.
type Bench struct {
	testing.TB
	Env   *graph.Env
	Model *sam2.Model
	Dev   kernels.Device
}

// New loads a network with random weights, of the architecture of all variants and as small as it
// can be.
func New(t testing.TB) *Bench {
	t.Helper()
	c, err := sam2.Variant("nano")
	if err == nil {
		c, err = c.Override(map[string]any{
			"image_size": 64, "image_encoder.neck.d_model": 32, "memory_encoder.out_dim": 8,
			"memory_attention.num_layers": 1, "memory_attention.layer.dim_feedforward": 32,
			"sam_mask_decoder.mlp_dim": 32, "sam_mask_decoder.iou_head_hidden_dim": 32,
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []*weights.Tensor
	for _, x := range sam2.Init(c, 1) {
		all = append(all, x)
	}
	file, err := weights.FromTensors("tiny", all)
	if err != nil {
		t.Fatal(err)
	}
	dev := testdevice.Open(t, 2)
	model, err := sam2.Load(dev, c, file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		model.Close()
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	env := &graph.Env{Device: dev, Model: model, Batch: 1, Micro: 2, Stage: "tested", Log: zerolog.Nop()}
	return &Bench{t, env, model, dev}
}

// Header is that of a frame with objects.
func (b *Bench) Header(frame int, objects ...int) *token.Header {
	return &token.Header{Stream: &token.Stream{ID: "clip", Width: Width, Height: Height}, Index: frame, Objects: objects}
}

// Open opens a stage.
func (b *Bench) Open(stage *graph.Stage, options any) *graph.Node {
	b.Helper()
	node, err := stage.Open(b.Env, options)
	if err != nil {
		b.Fatal(err)
	}
	return node
}

// Fire fires a stage on the inputs of one frame, or of several for a gather.
func (b *Bench) Fire(node *graph.Node, in ...any) []any {
	b.Helper()
	out, err := node.Fire(context.Background(), in)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// Random makes a tensor of numbers that look random, with mean 0.
func (b *Bench) Random(seed int, shape ...int) *kernels.Tensor {
	b.Helper()
	n := 1
	for _, d := range shape {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32((i*7919+seed*104729)%2003)/1001 - 1
	}
	return b.Upload(v, shape...)
}

// Upload makes a tensor.
func (b *Bench) Upload(v []float32, shape ...int) *kernels.Tensor {
	b.Helper()
	x, err := kernels.Write(b.Dev, kernels.F32, v, shape...)
	if err != nil {
		b.Fatal(err)
	}
	return x
}

// Features makes those of a frame.
func (b *Bench) Features(h *token.Header) *token.Features {
	b.Helper()
	side, d := b.Model.Config().Side(), b.Model.Config().Dim()
	return &token.Features{Header: h, Dev: b.Dev, Features: sam2.Features{
		F0: b.Random(1+h.Index, 4*side, 4*side, d/8), F1: b.Random(2+h.Index, 2*side, 2*side, d/4), F2: b.Random(3+h.Index, side, side, d)}}
}

// Bytes returns what a tensor holds.
func (b *Bench) Bytes(x *kernels.Tensor) []byte {
	b.Helper()
	out := make([]byte, x.Bytes())
	if err := b.Dev.Download(out, x); err != nil {
		b.Fatal(err)
	}
	return out
}

// Floats returns the numbers of a tensor.
func (b *Bench) Floats(x *kernels.Tensor) []float32 {
	b.Helper()
	v, err := kernels.Read[float32](b.Dev, x)
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// Same fails the test unless a tensor is, bit by bit, the wanted one, which it frees.
func (b *Bench) Same(what string, got, want *kernels.Tensor) {
	b.Helper()
	defer b.Dev.Free(want)
	if got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) || !slices.Equal(b.Bytes(got), b.Bytes(want)) {
		b.Errorf("%s: %v is not the %v that the network gives", what, got, want)
	}
}
