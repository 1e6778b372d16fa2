// Package writemasks writes a folder of masks as DAVIS does: one 8-bit indexed PNG per frame, pixel
// value = object id, 0 for background, the lowest id where objects overlap.
package writemasks

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/outfile"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is "write-masks".
var Stage = graph.NewSink("write-masks", "Writes masks as DAVIS indexed PNGs: pixel = object id, lowest id on overlap. Named as the "+
	"input's pictures, or by frame number.", open)

// Options name the folder.
type Options struct {
	Path graph.OutPath `toml:"path" default:"masks" doc:"folder"`
}

// In is one firing's input.
type In struct {
	Result *token.Result `port:"result" doc:"of a select stage"`
}

func open(env *graph.Env, o *Options) (func(context.Context, *In) error, func(error) error, error) {
	create := outfile.CreateDir
	if env.Resume != nil { // pictures of frames after the checkpoint are written again
		create = outfile.ReopenDir
		if outfile.DirCommitted(string(o.Path)) {
			env.Save = func() ([]byte, error) { return []byte("{}"), nil }
			return func(context.Context, *In) error { return nil }, nil, nil
		}
	}
	dir, err := create(string(o.Path), ".png", env.Overwrite)
	if err != nil {
		return nil, nil, err
	}
	var fresh []string // written since the last checkpoint
	env.Save = func() ([]byte, error) {
		for _, path := range fresh {
			if err := outfile.SyncPath(path); err != nil {
				return nil, outfile.Errorf(string(o.Path), err)
			}
		}
		fresh = fresh[:0]
		return []byte("{}"), nil
	}
	palette := Palette()
	fire := func(_ context.Context, in *In) error {
		img, err := paint(in.Result, palette)
		if err != nil {
			return err
		}
		name := in.Result.Name
		if name == "" {
			name = fmt.Sprintf("%05d", in.Result.Index)
		}
		path := filepath.Join(dir.Path(), name+".png")
		f, err := os.Create(path)
		if err != nil {
			return outfile.Errorf(string(o.Path), err)
		}
		if err := png.Encode(f, img); err != nil {
			f.Close()
			return outfile.Errorf(string(o.Path), err)
		}
		if err := f.Close(); err != nil {
			return outfile.Errorf(string(o.Path), err)
		}
		fresh = append(fresh, path)
		return nil
	}
	closer := func(cause error) error {
		if cause != nil {
			return nil // the folder stays under its temporary name
		}
		return dir.Commit()
	}
	return fire, closer, nil
}

func paint(r *token.Result, palette color.Palette) (*image.Paletted, error) {
	img := image.NewPaletted(image.Rect(0, 0, r.Stream.Width, r.Stream.Height), palette)
	for _, t := range slices.Backward(r.Objects) { // objects ascend, so the lowest id is painted last
		if t.Object < 1 || t.Object > 255 {
			return nil, graph.Errorf(graph.BadData, "object %d: an indexed PNG holds ids 1 to 255", t.Object)
		}
		for i, p := range t.Mask().Pix {
			if p != 0 {
				img.Pix[i] = uint8(t.Object)
			}
		}
	}
	return img, nil
}

// Palette returns the colours of the PASCAL VOC and DAVIS data sets: the bits of the index, taken
// three at a time from the lowest, become the bits of red, green and blue from the highest.
func Palette() color.Palette {
	p := make(color.Palette, 256)
	for i := range p {
		var rgb [3]uint8
		for bit, id := 7, i; id != 0; bit, id = bit-1, id>>3 {
			for c := range rgb {
				rgb[c] |= uint8(id>>c&1) << bit
			}
		}
		p[i] = color.RGBA{rgb[0], rgb[1], rgb[2], 255}
	}
	return p
}
