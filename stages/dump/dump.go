// Package dump writes what travels on edges to one safetensors file, for comparing runs and for
// looking inside. A tensor's key is port/frame/field, with /object before the field where there is
// one per object: "features/000012/f2", "selection/000012/1/mask".
package dump

import (
	"context"
	"path/filepath"

	"github.com/seed49bbd0e6/tachi/graph"
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
	fire := func(_ context.Context, in *token.Taps) error {
		for _, f := range fields(in) {
			if err := f.write(env.Device, spool); err != nil {
				return err
			}
		}
		return nil
	}
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
