// Package sam2encode runs the image encoder, the one stage that gains from several frames at once.
package sam2encode

import (
	"context"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is "sam2-encode".
var Stage = graph.NewGather("sam2-encode", "Image encoder: Hiera and its feature pyramid. Gathers frames into micro-batches; "+
	"what it makes of a frame does not depend on its neighbours.", open)

// Options has no keys.
type Options struct{}

// In is one frame's input.
type In struct {
	Image *token.Image `port:"image" doc:"network input"`
}

// Out is one frame's output.
type Out struct {
	Features *token.Features `port:"features" doc:"vision feature [S/16,S/16,256] and two high-resolution maps"`
}

func open(env *graph.Env, _ *Options) (func(context.Context, []*In) ([]*Out, error), func(error) error, error) {
	model, err := sam2.FromEnv(env)
	if err != nil {
		return nil, nil, err
	}
	fire := func(_ context.Context, in []*In) ([]*Out, error) {
		images := make([]*kernels.Tensor, len(in))
		for i := range in {
			images[i] = in[i].Image.Pixels
		}
		features, err := model.Encode(images)
		if err != nil {
			return nil, err
		}
		out := make([]*Out, len(in))
		for i, f := range features {
			out[i] = &Out{&token.Features{Header: in[i].Image.Header, Dev: env.Device, Features: f}}
		}
		return out, nil
	}
	return fire, nil, nil
}
