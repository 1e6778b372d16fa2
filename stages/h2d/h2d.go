// Package h2d brings frames to the device. It is where a frame begins to cost device memory, so it
// is the stage that takes the residency lease.
package h2d

import (
	"context"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is "h2d".
var Stage = graph.NewFlow("h2d", "Uploads a frame and makes the network's input of it: stretched to the model's square with "+
	"antialiased bicubic weights on 8 bits, then normalised. Takes the frame's residency lease.", open).WithLease()

// Options has no keys.
type Options struct{}

// In is one firing's input.
type In struct {
	Frame *token.Frame `port:"frame" doc:"decoded picture in host memory"`
}

// Out is one firing's output.
type Out struct {
	Image *token.Image `port:"image" doc:"network input, f32 [S,S,3]"`
}

func open(env *graph.Env, _ *Options) (func(context.Context, *In) (*Out, error), func(error) error, error) {
	model, err := sam2.FromEnv(env)
	if err != nil {
		return nil, nil, err
	}
	dev := env.Device
	fire := func(_ context.Context, in *In) (*Out, error) {
		f := in.Frame
		rgb, err := kernels.Write(dev, kernels.U8, f.RGB, f.Stream.Height, f.Stream.Width, 3)
		if err != nil {
			return nil, err
		}
		defer dev.Free(rgb)
		pixels, err := model.Preprocess(rgb)
		if err != nil {
			return nil, err
		}
		return &Out{&token.Image{Header: f.Header, Dev: dev, Pixels: pixels}}, nil
	}
	return fire, nil, nil
}
