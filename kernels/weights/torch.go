package weights

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// A checkpoint of torch.save (1.6 and later) is a zip archive of stored, uncompressed entries under
// one arbitrary root folder:
//
//	root/data.pkl     a pickle of the saved object, in which storages are persistent ids
//	root/data/KEY     the bytes of a storage
//	root/byteorder    "little" or "big", in newer files
//	root/version      "3"
//
// A storage's id is the tuple ("storage", type, key, device, elements), and a tensor is
// _rebuild_tensor_v2(storage, offset, shape, stride, ...), all in elements. Because entries are
// stored, a tensor is a strided view straight into the mapped archive. The zip checksums are not
// verified: that would read all of it.

type (
	// storageType is a torch storage class. Ours is false for those that no tensor of ours can
	// hold.
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
	// foreign is a tensor of a type that cannot be a weight. It may be in the file, but not among
	// the weights.
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
		for _, e := range archive.File {
			if strings.HasSuffix(e.Name, ".npy") {
				return errors.New("arrays of NumPy (.npz), not a checkpoint of torch.save")
			}
			if strings.HasSuffix(e.Name, ".pt") || strings.HasSuffix(e.Name, ".pth") || strings.HasSuffix(e.Name, ".safetensors") {
				return fmt.Errorf("a zip archive with %.80q in it: unpack it first", e.Name)
			}
		}
		return errors.New("a zip archive without data.pkl is not a checkpoint of torch.save")
	}
	if _, script := r.entries[r.root+"constants.pkl"]; script {
		return errors.New("a TorchScript archive holds a program, which is never run:" +
			" load it with torch.jit.load in PyTorch and torch.save its state_dict()")
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
	var names []string
	for _, o := range u.opaques {
		if strings.Contains(o.name, ".") {
			names = append(names, o.name)
		}
	}
	if len(names) > 0 {
		f.note("the file asks for %s beside the weights: nothing of it was constructed or called", Some(names, 3))
	}
	return nil
}

// Some joins the first few of a list for a message, and says how many more there are. Names come
// from a file: long ones are cut, and what does not print is quoted.
func Some(list []string, few int) string {
	var short []string
	for _, s := range list[:min(len(list), few)] {
		if len(s) > 120 {
			s = s[:120] + "..."
		}
		if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
			s = strconv.Quote(s)
		}
		short = append(short, s)
	}
	text := strings.Join(short, ", ")
	if more := len(list) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// bytes returns the content of a stored entry, in place.
func (r *torchReader) bytes(name string) ([]byte, error) {
	e, ok := r.entries[r.root+name]
	if !ok {
		return nil, fmt.Errorf("no entry %q", r.root+name)
	}
	if e.Method != zip.Store || e.UncompressedSize64 != e.CompressedSize64 || e.Flags&1 != 0 {
		return nil, fmt.Errorf("entry %q is compressed or encrypted: torch.save never does that; zip it again with zip -0, or torch.save it again", e.Name)
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

// global resolves the only names that stand for something here.
func (r *torchReader) global(name string) (any, bool) {
	switch name {
	case "collections.OrderedDict":
		return callable{name, func(args tuple) (any, error) {
			if len(args) != 0 {
				return nil, errors.New("arguments are not expected")
			}
			return &dict{}, nil
		}}, true
	case "collections.defaultdict":
		return callable{name, func(tuple) (any, error) { return &dict{}, nil }}, true
	case "torch._utils._rebuild_tensor_v2":
		return callable{name, r.tensor}, true
	case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
		return callable{name, func(args tuple) (any, error) {
			if len(args) > 0 {
				switch args[0].(type) {
				case *Tensor, foreign, *opaque:
					return args[0], nil
				}
			}
			return nil, errors.New("the first argument must be a tensor")
		}}, true
	case "torch._tensor._rebuild_from_type_v2": // a tensor with attributes: (rebuild, class, arguments, attributes)
		return callable{name, func(args tuple) (any, error) {
			if len(args) > 2 {
				f, ok1 := args[0].(callable)
				of, ok2 := args[2].(tuple)
				if ok1 && ok2 && strings.HasPrefix(f.name, "torch._utils._rebuild_") {
					return f.call(of)
				}
				if o, ok := args[0].(*opaque); ok {
					return o, nil
				}
			}
			return nil, errors.New("the arguments must be those of a tensor")
		}}, true
	case "torch.FloatStorage":
		return storageType{name, kernels.F32, 4, true}, true
	case "torch.HalfStorage":
		return storageType{name, kernels.F16, 2, true}, true
	case "torch.BFloat16Storage":
		return storageType{name, kernels.BF16, 2, true}, true
	case "torch.ByteStorage":
		return storageType{name, kernels.U8, 1, true}, true
	case "torch.IntStorage":
		return storageType{name, kernels.I32, 4, true}, true
	case "torch.DoubleStorage":
		return storageType{name, kernels.F32, 8, true}, true
	case "torch.LongStorage", "torch.ComplexFloatStorage":
		return storageType{name: name, size: 8}, true
	case "torch.ComplexDoubleStorage":
		return storageType{name: name, size: 16}, true
	case "torch.ShortStorage":
		return storageType{name: name, size: 2}, true
	case "torch.CharStorage", "torch.BoolStorage":
		return storageType{name: name, size: 1}, true
	}
	return nil, false
}

// storage resolves a persistent id.
func (r *torchReader) storage(id any) (any, error) {
	t, _ := id.(tuple)
	if len(t) != 5 || t[0] != any("storage") {
		return nil, errors.New("a persistent id that is not a storage")
	}
	if o, ok := t[1].(*opaque); ok {
		return o, nil
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
	if o, ok := args[0].(*opaque); ok { // a storage of an unknown type
		return o, nil
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
	t := &Tensor{DType: s.dtype, Wide: s.size > s.dtype.Size(), Shape: shape, data: s.data[int(offset)*s.size:], file: r.file}
	if !dense(shape, stride) {
		t.stride = stride
	}
	return t, nil
}

// lastElement returns the highest element that a view touches, false when a number is negative or
// overflows.
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

// dense reports whether strides are those of row-major order, axes of one element aside.
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
