package weights

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// A checkpoint of torch.save (1.6 and later) is a zip archive of stored, uncompressed entries under one arbitrary
// root folder:
//
//	root/data.pkl     a pickle of the saved object, in which storages are persistent ids
//	root/data/KEY     the bytes of a storage
//	root/byteorder    "little" or "big", in newer files
//	root/version      "3"
//
// A storage's id is the tuple ("storage", type, key, device, elements), and a tensor is
// _rebuild_tensor_v2(storage, offset, shape, stride, ...), all in elements. Because entries are stored, a tensor is a
// strided view straight into the mapped archive. The zip checksums are not verified: that would read all of it.

type (
	// storageType is a torch storage class. Ours is false for those that no tensor of ours can hold.
	storageType struct {
		name  string
		dtype kernels.DType
		size  int
		ours  bool
	}
	storage struct {
		storageType
		data []byte
	}
	// foreign is a tensor of a type that cannot be a weight. It may be in the file, but not among the weights.
	foreign struct{ storageType }
)

type torchReader struct {
	file    *File
	data    []byte
	root    string
	entries map[string]*zip.File
}

// readTorch fills f from the bytes of an archive.
func (f *File) readTorch(data []byte) error {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return fmt.Errorf("the zip archive is truncated or damaged: %w", err)
	}
	r := &torchReader{file: f, data: data, entries: make(map[string]*zip.File, len(archive.File))}
	pkl := ""
	for _, e := range archive.File {
		if _, ok := r.entries[e.Name]; ok {
			return fmt.Errorf("entry %q is there twice", e.Name)
		}
		r.entries[e.Name] = e
		if root, ok := strings.CutSuffix(e.Name, "data.pkl"); ok && (root == "" || strings.HasSuffix(root, "/")) {
			if pkl != "" {
				return fmt.Errorf("two pickles, %q and %q", pkl, e.Name)
			}
			pkl, r.root = e.Name, root
		}
	}
	if pkl == "" {
		return errors.New("a zip archive without data.pkl is not a checkpoint of torch.save")
	}
	if _, ok := r.entries[r.root+"byteorder"]; ok {
		order, err := r.bytes("byteorder")
		if err != nil {
			return err
		}
		if got := strings.TrimSpace(string(order[:min(len(order), 16)])); got != "little" {
			return fmt.Errorf("byteorder: %q is not supported, only little", got)
		}
	}
	program, err := r.bytes("data.pkl")
	if err != nil {
		return err
	}
	u := unpickler{in: program, global: r.global, persistent: r.storage}
	top, err := u.run()
	if err != nil {
		return fmt.Errorf("data.pkl: %w", err)
	}
	if err := r.collect(top); err != nil {
		return fmt.Errorf("data.pkl: %w", err)
	}
	return nil
}

// bytes returns the content of a stored entry, in place.
func (r *torchReader) bytes(name string) ([]byte, error) {
	e, ok := r.entries[r.root+name]
	if !ok {
		return nil, fmt.Errorf("no entry %q", r.root+name)
	}
	if e.Method != zip.Store || e.UncompressedSize64 != e.CompressedSize64 || e.Flags&1 != 0 {
		return nil, fmt.Errorf("entry %q is compressed or encrypted: torch.save never does that", e.Name)
	}
	at, err := e.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("entry %q: %w", e.Name, err)
	}
	if at < 0 || at > int64(len(r.data)) || e.UncompressedSize64 > uint64(int64(len(r.data))-at) {
		return nil, fmt.Errorf("entry %q: %d bytes at byte %d lie beyond the file's %d", e.Name, e.UncompressedSize64, at, len(r.data))
	}
	return r.data[at:][:e.UncompressedSize64:e.UncompressedSize64], nil
}

// collect takes the named tensors out of the saved object: {"model": {name: tensor}} or {name: tensor}.
func (r *torchReader) collect(top any) error {
	d, ok := top.(*dict)
	if !ok {
		return fmt.Errorf("holds %s, not a dict of tensors", kindOf(top))
	}
	for i, k := range d.keys {
		if inner, isDict := d.values[i].(*dict); isDict && k == "model" {
			d = inner
			break
		}
	}
	for i, k := range d.keys {
		name, ok := k.(string)
		if !ok {
			return fmt.Errorf("%s where a tensor's name must be", kindOf(k))
		}
		switch v := d.values[i].(type) {
		case *Tensor:
			t := *v // one tensor may have several names
			t.Name = name
			if err := r.file.add(&t); err != nil {
				return err
			}
		case foreign:
			return fmt.Errorf("tensor %q: %s cannot hold weights: want Float, Half or BFloat16", name, v.name)
		default:
			return fmt.Errorf("%q is %s, not a tensor", name, kindOf(v))
		}
	}
	return nil
}

// global resolves the only names that a checkpoint may use.
func (r *torchReader) global(name string) (any, error) {
	switch name {
	case "collections.OrderedDict":
		return callable{name, func(args tuple) (any, error) {
			if len(args) != 0 {
				return nil, errors.New("arguments are not expected")
			}
			return &dict{}, nil
		}}, nil
	case "torch._utils._rebuild_tensor_v2":
		return callable{name, r.tensor}, nil
	case "torch._utils._rebuild_parameter":
		return callable{name, func(args tuple) (any, error) {
			if len(args) > 0 {
				switch args[0].(type) {
				case *Tensor, foreign:
					return args[0], nil
				}
			}
			return nil, errors.New("the first argument must be a tensor")
		}}, nil
	case "torch.FloatStorage":
		return storageType{name, kernels.F32, 4, true}, nil
	case "torch.HalfStorage":
		return storageType{name, kernels.F16, 2, true}, nil
	case "torch.BFloat16Storage":
		return storageType{name, kernels.BF16, 2, true}, nil
	case "torch.ByteStorage":
		return storageType{name, kernels.U8, 1, true}, nil
	case "torch.IntStorage":
		return storageType{name, kernels.I32, 4, true}, nil
	case "torch.DoubleStorage", "torch.LongStorage", "torch.ComplexFloatStorage":
		return storageType{name: name, size: 8}, nil
	case "torch.ShortStorage":
		return storageType{name: name, size: 2}, nil
	case "torch.CharStorage", "torch.BoolStorage":
		return storageType{name: name, size: 1}, nil
	}
	return nil, fmt.Errorf("refuses to construct %q: a checkpoint may only hold tensors", name)
}

// storage resolves a persistent id.
func (r *torchReader) storage(id any) (any, error) {
	t, _ := id.(tuple)
	if len(t) != 5 || t[0] != any("storage") {
		return nil, errors.New("a persistent id that is not a storage")
	}
	typ, ok1 := t[1].(storageType)
	key, ok2 := t[2].(string)
	n, ok3 := t[4].(int64)
	if !ok1 || !ok2 || !ok3 {
		return nil, errors.New("a storage's id must be (\"storage\", type, key, device, elements)")
	}
	data, err := r.bytes("data/" + key)
	if err != nil {
		return nil, err
	}
	if n < 0 || n > math.MaxInt64/16 || n*int64(typ.size) != int64(len(data)) {
		return nil, fmt.Errorf("storage %q: %d elements of %s do not make its %d bytes", key, n, typ.name, len(data))
	}
	return storage{typ, data}, nil
}

// tensor is _rebuild_tensor_v2.
func (r *torchReader) tensor(args tuple) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("%d arguments, want at least 4", len(args))
	}
	s, ok1 := args[0].(storage)
	offset, ok2 := args[1].(int64)
	shape, ok3 := ints(args[2])
	stride, ok4 := ints(args[3])
	if !ok1 || !ok2 || !ok3 || !ok4 || len(shape) != len(stride) {
		return nil, errors.New("the arguments must be a storage, an offset, a shape and a stride")
	}
	if !s.ours {
		return foreign{s.storageType}, nil
	}
	held := len(s.data) / s.size
	n, err := elements(shape, s.size)
	if err != nil {
		return nil, err
	}
	if n > held {
		return nil, fmt.Errorf("shape %v has %d elements, its storage %d", clip(shape), n, held)
	}
	last, inside := lastElement(offset, shape, stride)
	if !inside || n > 0 && last >= int64(held) || offset > int64(held) {
		return nil, fmt.Errorf("offset %d, shape %v and stride %v reach outside the storage's %d elements", offset, clip(shape), clip(stride), held)
	}
	t := &Tensor{DType: s.dtype, Shape: shape, data: s.data[int(offset)*s.size:], file: r.file}
	if !dense(shape, stride) {
		t.stride = stride
	}
	return t, nil
}

// lastElement returns the highest element that a view touches, false when a number is negative or overflows.
func lastElement(offset int64, shape, stride []int) (int64, bool) {
	last := uint64(offset)
	for i, d := range shape {
		if stride[i] < 0 {
			return 0, false
		}
		hi, lo := bits.Mul64(uint64(max(d-1, 0)), uint64(stride[i]))
		if hi != 0 || lo > math.MaxInt64 || last > math.MaxInt64 {
			return 0, false
		}
		last += lo
	}
	return int64(last), last <= math.MaxInt64
}

// dense says whether strides are those of row-major order, axes of one element aside.
func dense(shape, stride []int) bool {
	want := 1
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] == 0 {
			return true
		}
		if shape[i] != 1 && stride[i] != want {
			return false
		}
		want *= shape[i]
	}
	return true
}

// ints reads a tuple of integers.
func ints(v any) ([]int, bool) {
	t, ok := v.(tuple)
	out := make([]int, len(t))
	for i := range t {
		n, isInt := t[i].(int64)
		out[i], ok = int(n), ok && isInt
	}
	return out, ok
}
