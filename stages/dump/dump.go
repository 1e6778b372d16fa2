// Package dump writes what travels on edges to one safetensors file, for comparing runs and for looking inside.
// A tensor's key is port/frame/field, with /object before the field where there is one per object:
// "features/000012/f2", "selection/000012/1/mask".
package dump

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/weights"
	"github.com/seed49bbd0e6/tachi/stages/internal/outfile"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is "dump".
var Stage = graph.NewSink("dump", "Writes the tensors of any edges to one safetensors file, keys port/frame[/object]/field.", open)

// Options name the file.
type Options struct {
	Path graph.OutPath `toml:"path" default:"dump.safetensors" doc:"output file"`
}

func open(env *graph.Env, o *Options) (func(context.Context, *token.Taps) error, func(error) error, error) {
	file, err := outfile.Create(string(o.Path), env.Overwrite)
	if err != nil {
		return nil, nil, err
	}
	spool, err := weights.NewSpool(filepath.Dir(string(o.Path)))
	if err != nil {
		file.Discard()
		return nil, nil, outfile.Errorf(string(o.Path), err)
	}
	fire := func(_ context.Context, in *token.Taps) error { return (&frame{env.Device, spool}).add(in) }
	closer := func(cause error) error {
		defer spool.Close()
		if err := spool.Write(file, nil); err != nil {
			file.Abandon()
			return outfile.Errorf(string(o.Path), err)
		}
		if cause != nil {
			return file.Abandon()
		}
		return file.Commit()
	}
	return fire, closer, nil
}

// frame writes the tokens of one firing.
type frame struct {
	dev   kernels.Device
	spool *weights.Spool
}

func (f *frame) add(in *token.Taps) error {
	if t := in.Frame; t != nil {
		if err := f.host(key("frame", t.Header, "rgb"), kernels.U8, t.RGB, t.Stream.Height, t.Stream.Width, 3); err != nil {
			return err
		}
	}
	if t := in.Image; t != nil {
		if err := f.tensor(key("image", t.Header, "pixels"), t.Pixels); err != nil {
			return err
		}
	}
	if t := in.Features; t != nil {
		for i, x := range []*kernels.Tensor{t.F0, t.F1, t.F2} {
			if err := f.tensor(key("features", t.Header, fmt.Sprint("f", i)), x); err != nil {
				return err
			}
		}
	}
	if t := in.Conditioned; t != nil {
		for i, x := range t.Objects {
			if err := f.tensor(objectKey("conditioned", t.Header, t.Header.Objects[i], "features"), x); err != nil {
				return err
			}
		}
	}
	if t := in.Candidates; t != nil {
		for _, c := range t.Objects {
			k := func(field string) string { return objectKey("candidates", t.Header, c.Object, field) }
			if err := f.all(k, field{"masks", c.Masks}, field{"tokens", c.Tokens}); err != nil {
				return err
			}
			if err := f.host(k("iou"), kernels.F32, kernels.HostBytes(c.IoU), len(c.IoU)); err != nil {
				return err
			}
			if err := f.host(k("object_logit"), kernels.F32, kernels.HostBytes([]float32{c.ObjectLogit}), 1); err != nil {
				return err
			}
		}
	}
	if t := in.Selection; t != nil {
		for _, s := range t.Objects {
			k := func(field string) string { return objectKey("selection", t.Header, s.Object, field) }
			if err := f.all(k, field{"mask", s.Mask}, field{"pointer", s.Pointer}); err != nil {
				return err
			}
		}
	}
	if t := in.Result; t != nil {
		for _, r := range t.Objects {
			k := func(field string) string { return objectKey("result", t.Header, r.Object, field) }
			if err := f.host(k("logits"), kernels.F32, kernels.HostBytes(r.Logits), r.Side, r.Side); err != nil {
				return err
			}
			box := r.Box().Span().Pixels()
			if err := f.host(k("box"), kernels.I32, kernels.HostBytes([]int32{int32(box[0]), int32(box[1]), int32(box[2]), int32(box[3])}), 4); err != nil {
				return err
			}
		}
	}
	if in.Bank != nil {
		return f.bank(in)
	}
	return nil
}

// bank writes the newest memory of each object; the older ones were written when they were new.
func (f *frame) bank(in *token.Taps) error {
	for _, o := range in.Bank.Objects {
		newest := o.Newest
		for _, list := range [][]*token.Memory{o.Prompts, o.Recent} {
			if n := len(list); n > 0 && (newest == nil || list[n-1].Frame > newest.Frame) {
				newest = list[n-1]
			}
		}
		k := func(field string) string { return fmt.Sprintf("bank/%06d/%d/%s", newest.Frame, o.Object, field) }
		if err := f.all(k, field{"features", newest.Features.Tensor}, field{"pointer", newest.Pointer.Tensor}); err != nil {
			return err
		}
	}
	return nil
}

type field struct {
	name string
	t    *kernels.Tensor
}

func (f *frame) all(key func(string) string, fields ...field) error {
	for _, x := range fields {
		if err := f.tensor(key(x.name), x.t); err != nil {
			return err
		}
	}
	return nil
}

func (f *frame) tensor(name string, t *kernels.Tensor) error {
	data := make([]byte, t.Bytes())
	if err := f.dev.Download(data, t); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return f.host(name, t.DType, data, t.Shape...)
}

func (f *frame) host(name string, dt kernels.DType, data []byte, shape ...int) error {
	t, err := weights.New(name, dt, shape, data)
	if err != nil {
		return err
	}
	return f.spool.Add(t)
}

func key(port string, h *token.Header, field string) string {
	return fmt.Sprintf("%s/%06d/%s", port, h.Index, field)
}

func objectKey(port string, h *token.Header, object int, field string) string {
	return fmt.Sprintf("%s/%06d/%d/%s", port, h.Index, object, field)
}
