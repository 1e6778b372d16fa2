package sam2

import (
	"fmt"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/weights"
)

// A binder turns the named tensors of a checkpoint into weights on a device. The network is built
// by asking the binder for each weight by its official name and shape. The same walk without a
// checkpoint lists what one must hold, so a file is compared with the whole list, and every
// difference reported, before anything is allocated; and the same walk on a device that only
// counts, without a checkpoint either, is a dry run.
//
// On the way tensors change to the layout of the kernels: convolutions [out, in, ky, kx] to [out,
// ky, kx, in], transposed ones [in, out, 2, 2] to [dy, dx, out, in]. Maps that follow each other
// with nothing between are multiplied on the host in float64.

// Spec is a tensor that a checkpoint must hold.
type Spec struct {
	Name  string // official name
	Shape []int
}

// Len returns the number of elements.
func (s Spec) Len() int {
	n := 1
	for _, d := range s.Shape {
		n *= d
	}
	return n
}

// Tensors returns what a checkpoint must hold.
func (c Config) Tensors() []Spec {
	b := &binder{}
	build(b, c)
	return b.specs
}

// Load binds the weights of a file to a network on a device. The file's tensors must be exactly
// those of the configuration, under their official or their Hugging Face names; every difference is
// in the error, a
// *MismatchError. What wrappers and trainers have done to the names is undone first, and Model.Notes says how. The
// file may be closed afterwards.
func Load(dev kernels.Device, c Config, file *weights.File) (*Model, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	f, err := adapt(file)
	if err != nil {
		return nil, err
	}
	skipped, err := compare(c, f)
	if err != nil {
		return nil, err
	}
	hf := isHuggingFace(f)
	bad, err := notFinite(f, used(c, f, hf))
	if err != nil {
		return nil, err
	}
	if bad != "" {
		return nil, fmt.Errorf("%s: %s: these weights cannot be used", f.Path, bad)
	}
	b := &binder{dev: dev, file: f, hf: hf}
	m := build(b, c)
	if b.err != nil {
		m.Close()
		return nil, fmt.Errorf("weights: %w", b.err)
	}
	if m.Notes = f.Notes; len(skipped) > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("%d tensors that no network needs were not read: %s", len(skipped), weights.Some(skipped, few)))
	}
	return m, nil
}

// Dry returns a network whose weights have shapes but no values, for devices that compute nothing.
func Dry(dev kernels.Device, c Config) (*Model, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	b := &binder{dev: dev}
	m := build(b, c)
	if b.err != nil {
		m.Close()
		return nil, b.err
	}
	return m, nil
}

// binder is described above. Without a file there are no values, without a device no tensors: both
// are nil then, and what is made of nil is nil. After an error it does nothing more.
type binder struct {
	dev   kernels.Device
	file  *weights.File
	hf    bool // the file has Hugging Face names
	specs []Spec
	owned []*kernels.Tensor
	err   error
}

// values returns a tensor's elements, nil without a file.
func (b *binder) values(name string, shape ...int) []float32 {
	spec := Spec{name, shape}
	b.specs = append(b.specs, spec)
	if b.file == nil || b.err != nil {
		return nil
	}
	v, err := fetch(b.file, b.hf, spec)
	b.fail(name, err)
	return v
}

// host returns the elements of a tensor that stays on the host, zeros without a file.
func (b *binder) host(name string, shape ...int) []float32 {
	if v := b.values(name, shape...); v != nil {
		return v
	}
	return make([]float32, Spec{Shape: shape}.Len())
}

func (b *binder) fail(name string, err error) {
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("%s: %w", name, err)
	}
}

// upload returns values as a tensor on the device.
func (b *binder) upload(v []float32, shape ...int) *kernels.Tensor {
	if b.dev == nil || b.err != nil {
		return nil
	}
	t, err := b.dev.Alloc(kernels.F32, shape...)
	if err != nil {
		b.fail("weights", err)
		return nil
	}
	b.owned = append(b.owned, t)
	if v != nil {
		b.fail("upload", b.dev.Upload(t, kernels.HostBytes(v)))
	}
	return t
}

// overF16 is the least number that becomes infinite as f16.
const overF16 = 65520

// pack returns values [n, k] as packed weights.
func (b *binder) pack(v []float32, n, k int) *kernels.Tensor {
	if b.dev != nil && b.err == nil && kernels.OperandType(b.dev) == kernels.F16 {
		for _, x := range v {
			if x >= overF16 || x <= -overF16 {
				b.fail(b.specs[len(b.specs)-1].Name, fmt.Errorf("%g is beyond what f16 holds (65504): give --precision bf16 or f32", x))
				return nil
			}
		}
	}
	t := b.upload(v, n, k)
	if t == nil {
		return nil
	}
	p, err := b.dev.Pack(t)
	b.dev.Free(t)
	b.owned = b.owned[:len(b.owned)-1]
	if err != nil {
		b.fail("pack", err)
		return nil
	}
	b.owned = append(b.owned, p)
	return p
}

// vector binds a tensor as a flat one.
func (b *binder) vector(name string, shape ...int) *kernels.Tensor {
	return b.upload(b.values(name, shape...), Spec{Shape: shape}.Len())
}

func (b *binder) linear(name string, out, in int) linear {
	return linear{b.pack(b.values(name+".weight", out, in), out, in), b.vector(name+".bias", out)}
}

func (b *binder) norm(name string, c int, eps float32) norm {
	return norm{b.vector(name+".weight", c), b.vector(name+".bias", c), eps}
}

// mlp binds layers of the given widths.
func (b *binder) mlp(name string, act kernels.Act, widths ...int) mlp {
	m := mlp{act: act}
	for i := range len(widths) - 1 {
		m.layers = append(m.layers, b.linear(index(name+".layers", i), widths[i+1], widths[i]))
	}
	return m
}

func (b *binder) conv(name string, out, in, kernel, stride, pad int) conv {
	w := b.values(name+".weight", out, in, kernel, kernel)
	k := kernel * kernel
	if w != nil {
		for o := range out {
			row := w[o*in*k:][:in*k]
			copy(row, transpose(row, in, k)) // [in, ky*kx] to [ky*kx, in]
		}
	}
	return conv{linear{b.pack(w, out, k*in), b.vector(name+".bias", out)}, kernel, stride, pad}
}

func (b *binder) up(name string, in, out int) up {
	w := b.values(name+".weight", in, out, 2, 2)
	if w != nil {
		w = transpose(w, in*out, 4) // [dy*dx, in, out]
		for i := range 4 {
			part := w[i*in*out:][:in*out]
			copy(part, transpose(part, in, out))
		}
	}
	return up{linear{b.pack(w, 4*out, in), b.vector(name+".bias", out)}}
}

// index returns the name of element i of a list of modules.
func index(name string, i int) string { return fmt.Sprintf("%s.%d", name, i) }

// transpose returns the transpose of a [rows, cols].
func transpose(a []float32, rows, cols int) []float32 {
	if a == nil {
		return nil
	}
	out := make([]float32, len(a))
	for r := range rows {
		for c := range cols {
			out[c*rows+r] = a[r*cols+c]
		}
	}
	return out
}

// compose returns the linear map "outer after inner": W = Wo Wi, b = Wo bi + bo, summed in float64.
// The length of the biases says which shapes these are: outer [len(bo), len(bi)], inner [len(bi),
// n].
func compose(wo, bo, wi, bi []float32) (w, b []float32) {
	if wo == nil || bo == nil || wi == nil || bi == nil {
		return nil, nil
	}
	out, mid := len(bo), len(bi)
	in := len(wi) / mid
	w, b = make([]float32, out*in), make([]float32, out)
	row := make([]float64, in)
	for o := range out {
		clear(row)
		sum := float64(bo[o])
		for k := range mid {
			f := float64(wo[o*mid+k])
			sum += f * float64(bi[k])
			for i, v := range wi[k*in:][:in] {
				row[i] += f * float64(v)
			}
		}
		for i, v := range row {
			w[o*in+i] = float32(v)
		}
		b[o] = float32(sum)
	}
	return w, b
}

// scaleRows multiplies row i of w, and element i of b, by gamma[i].
func scaleRows(gamma, w, b []float32) {
	if w == nil || b == nil {
		return
	}
	for i, g := range gamma {
		b[i] *= g
		for j := range len(w) / len(gamma) {
			w[i*len(w)/len(gamma)+j] *= g
		}
	}
}

// broadcastSum returns rows, each of len(v), plus v.
func broadcastSum(rows, v []float32) []float32 {
	out := make([]float32, len(rows))
	for i, x := range rows {
		out[i] = x + v[i%len(v)]
	}
	return out
}
