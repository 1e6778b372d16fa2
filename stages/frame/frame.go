// Package frame writes one frame of a video as a picture.
package frame

import (
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"reflect"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/images"
	"github.com/seed49bbd0e6/tachi/stages/internal/prompt"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Write writes frame n of a video or of a folder of pictures as PNG, with a box drawn when one is
// given. Boxes are checked, clipped and warned of as in a run. What the source has to say goes to
// log.
func Write(ctx context.Context, w io.Writer, path string, n int, box []float64, log zerolog.Logger) (width, height int, warnings []string, err error) {
	f, err := readFrame(ctx, path, n, log)
	if err != nil {
		return 0, 0, nil, err
	}
	width, height = f.Stream.Width, f.Stream.Height
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		copy(img.Pix[4*i:], f.RGB[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	if box != nil {
		var set *prompt.Set
		if set, warnings, err = (&prompt.Options{Box: box}).Load(width, height); err != nil {
			return 0, 0, nil, err
		}
		prompts, _ := set.At(0)
		outline(img, prompts[0].Box)
	}
	return width, height, warnings, png.Encode(w, img)
}

// outline draws the edges of a box, two pixels wide, light inside dark so that they show on any
// picture.
func outline(img *image.RGBA, box *token.Box) {
	x0, y0, x1, y1 := int(box.X0), int(box.Y0), int(box.X1), int(box.Y1)
	for width, c := range map[int]color.RGBA{1: {0, 0, 0, 255}, 0: {255, 230, 0, 255}} {
		for x := x0 - width; x <= x1+width; x++ {
			img.SetRGBA(x, y0-width, c)
			img.SetRGBA(x, y1+width, c)
		}
		for y := y0 - width; y <= y1+width; y++ {
			img.SetRGBA(x0-width, y, c)
			img.SetRGBA(x1+width, y, c)
		}
	}
}

// readFrame runs a source until it has emitted frame n.
func readFrame(ctx context.Context, path string, n int, log zerolog.Logger) (*token.Frame, error) {
	stage, options := videoSource(path)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		stage, options = images.Stage, &images.Options{Path: graph.Path(path), FPS: 30}
	}
	if stage == nil {
		return nil, graph.Errorf(graph.BadConfig, "this build reads no video, only folders of pictures")
	}
	node, err := stage.Open(&graph.Env{Stage: stage.Name, Log: log}, options)
	if err != nil {
		return nil, err
	}
	var found *token.Frame
	count := 0
	err = node.Run(ctx, func(out any) error {
		f := reflect.ValueOf(out).Elem().Field(stage.Out[0].Field).Interface().(*token.Frame)
		if count++; f.Index < n {
			return nil
		}
		found = f
		return graph.ErrDrained
	})
	if node.Close != nil {
		err = errors.Join(err, node.Close(graph.ErrDrained))
	}
	switch {
	case found != nil:
		return found, nil
	case err != nil:
		return nil, err
	}
	return nil, graph.Errorf(graph.BadData, "%s: there is no frame %d: it has %d", path, n, count)
}
