package dump

import (
	"fmt"
	"slices"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/weights"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Each type of token has a function that lists its fields; a new type is a function and a line
// here.

// fields lists what is written of the tokens of one firing.
func fields(in *token.Taps) []field {
	return slices.Concat(
		ofFrame(in.Frame), ofImage(in.Image), ofFeatures(in.Features), ofConditioned(in.Conditioned),
		ofCandidates(in.Candidates), ofSelection(in.Selection), ofResult(in.Result), ofBank(in.Bank))
}

// field is one tensor of the file.
type field struct {
	key    string
	device *kernels.Tensor // where it is on the device

	dtype kernels.DType // else in host memory
	shape []int
	host  []byte
}

// write adds the field to the file.
func (f *field) write(dev kernels.Device, to *weights.Spool) error {
	dtype, shape, data := f.dtype, f.shape, f.host
	if x := f.device; x != nil {
		dtype, shape, data = x.DType, x.Shape, make([]byte, x.Bytes())
		if err := dev.Download(data, x); err != nil {
			return fmt.Errorf("%s: %w", f.key, err)
		}
	}
	t, err := weights.New(f.key, dtype, shape, data)
	if err != nil {
		return err
	}
	return to.Add(t)
}

// floats is a field of numbers in host memory.
func floats(key string, v []float32, shape ...int) field {
	return field{key: key, dtype: kernels.F32, shape: shape, host: kernels.HostBytes(v)}
}

// key names a field of a frame.
func key(port string, frame int, name string) string {
	return fmt.Sprintf("%s/%06d/%s", port, frame, name)
}

// objectKey names a field of an object on a frame.
func objectKey(port string, frame, object int, name string) string {
	return fmt.Sprintf("%s/%06d/%d/%s", port, frame, object, name)
}

func ofFrame(t *token.Frame) []field {
	if t == nil {
		return nil
	}
	return []field{{key: key("frame", t.Index, "rgb"), dtype: kernels.U8, shape: []int{t.Stream.Height, t.Stream.Width, 3}, host: t.RGB}}
}

func ofImage(t *token.Image) []field {
	if t == nil {
		return nil
	}
	return []field{{key: key("image", t.Index, "pixels"), device: t.Pixels}}
}

func ofFeatures(t *token.Features) (all []field) {
	if t == nil {
		return nil
	}
	for i, x := range t.All() {
		all = append(all, field{key: key("features", t.Index, fmt.Sprint("f", i)), device: x})
	}
	return all
}

func ofConditioned(t *token.Conditioned) (all []field) {
	if t == nil {
		return nil
	}
	for i, x := range t.Objects {
		all = append(all, field{key: objectKey("conditioned", t.Index, t.Header.Objects[i], "features"), device: x})
	}
	return all
}

func ofCandidates(t *token.Candidates) (all []field) {
	if t == nil {
		return nil
	}
	for _, c := range t.Objects {
		k := func(name string) string { return objectKey("candidates", t.Index, c.Object, name) }
		all = append(all, field{key: k("masks"), device: c.Masks}, field{key: k("tokens"), device: c.Tokens},
			floats(k("iou"), c.IoU, len(c.IoU)), floats(k("object_logit"), []float32{c.ObjectLogit}, 1))
	}
	return all
}

func ofSelection(t *token.Selection) (all []field) {
	if t == nil {
		return nil
	}
	for _, s := range t.Objects {
		k := func(name string) string { return objectKey("selection", t.Index, s.Object, name) }
		all = append(all, field{key: k("mask"), device: s.Mask}, field{key: k("pointer"), device: s.Pointer})
	}
	return all
}

func ofResult(t *token.Result) (all []field) {
	if t == nil {
		return nil
	}
	for _, r := range t.Objects {
		k := func(name string) string { return objectKey("result", t.Index, r.Object, name) }
		var box [4]int32 // x, y, w, h with w = xmax - xmin, as in the files of tracks
		for i, v := range r.Box().Span().Pixels() {
			box[i] = int32(v)
		}
		all = append(all, floats(k("logits"), r.Logits, r.Side, r.Side),
			field{key: k("box"), dtype: kernels.I32, shape: []int{4}, host: kernels.HostBytes(box[:])})
	}
	return all
}

// ofBank lists the newest memory of each object; the older ones were written when they were new.
func ofBank(t *token.Bank) (all []field) {
	if t == nil {
		return nil
	}
	for _, o := range t.Objects {
		m := o.Latest()
		k := func(name string) string { return objectKey("bank", m.Frame, o.Object, name) }
		all = append(all, field{key: k("features"), device: m.Features.Tensor}, field{key: k("pointer"), device: m.Pointer.Tensor})
	}
	return all
}
