// Package weights reads and writes network weights: safetensors files, and the zip archives of
// torch.save.
//
// A checkpoint comes from outside and is treated as hostile. Nothing in it is ever executed: a
// pickle may name a handful of tensor constructors and plain containers, and anything else stays a
// name that nothing is made of. Every length, offset, shape and stride is checked against the bytes
// that are there before a tensor is handed out, so what a file can cost is bounded by its own size.
//
// Files are mapped, not read: opening one costs its header, whatever the size of the rest. Tensors
// are bound to the file they came from, and give an error once it is closed.
package weights

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// File is a set of named tensors.
type File struct {
	Path     string // for messages
	Format   string // "safetensors", "torch", or "memory" for FromTensors
	Size     int64  // bytes on disk, 0 in memory
	Metadata map[string]string
	Notes    []string // what a user should know about how the file was read

	tensors map[string]*Tensor
	foreign map[string]string // types of tensors that cannot be read, by name
	mapped  [][]byte
	closed  *atomic.Bool // shared with views
}

// newFile returns a file without tensors.
func newFile(path string) *File {
	return &File{Path: path, tensors: map[string]*Tensor{}, foreign: map[string]string{}, closed: new(atomic.Bool)}
}

// Open maps a checkpoint and reads its header: one file, all parts of a checkpoint in several, or
// the weights in a folder (see Files). The format is told by content, never by the file's name. As
// with any mapping, the files must not be shortened while they are in use.
func Open(path string) (*File, error) {
	paths, err := Files(path)
	if err != nil {
		return nil, err
	}
	all := newFile(path)
	for _, p := range paths {
		part, err := openOne(p)
		if err == nil {
			err = all.merge(part)
		}
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
	}
	if len(paths) == 1 {
		all.Path = paths[0]
	}
	return all, nil
}

// openOne maps one file and reads its header.
func openOne(path string) (*File, error) {
	data, err := mapFile(path)
	if err != nil {
		return nil, err
	}
	f, err := parse(path, data)
	if err != nil {
		_ = unix.Munmap(data)
		return nil, err
	}
	f.mapped = [][]byte{data}
	return f, nil
}

// merge moves the tensors and the mapping of a part into f.
func (f *File) merge(part *File) error {
	f.mapped = append(f.mapped, part.mapped...)
	f.Format, f.Size, f.Notes = part.Format, f.Size+part.Size, append(f.Notes, part.Notes...)
	if f.Metadata == nil {
		f.Metadata = part.Metadata
	}
	for _, name := range part.Names() {
		t := part.tensors[name]
		t.file = f
		if err := f.add(t); err != nil {
			return fmt.Errorf("%s: %w: it is in another part as well", part.Path, err)
		}
	}
	maps.Copy(f.foreign, part.foreign)
	return nil
}

// Renamed returns a view of f in which every tensor has the name that rename gives it; those that
// get none are left out. The view ends with f.
func (f *File) Renamed(rename func(string) string) (*File, error) {
	view := *f
	view.mapped, view.tensors, view.foreign = nil, make(map[string]*Tensor, len(f.tensors)), map[string]string{}
	for _, name := range f.Names() {
		t := *f.tensors[name]
		if t.Name = rename(name); t.Name == "" {
			continue
		}
		if err := view.add(&t); err != nil {
			return nil, fmt.Errorf("%s: %w under its new name", f.Path, err)
		}
	}
	for name, typ := range f.foreign {
		if name = rename(name); name != "" {
			view.foreign[name] = typ
		}
	}
	return &view, nil
}

// Foreign returns the types of the tensors that are in the file and cannot be read, by name.
func (f *File) Foreign() map[string]string { return f.foreign }

func (f *File) note(format string, args ...any) {
	f.Notes = append(f.Notes, fmt.Sprintf(format, args...))
}

// Parse reads a checkpoint that is already in memory, which must not change while the File is in
// use. The name is for messages.
func Parse(name string, data []byte) (*File, error) { return parse(name, data) }

// FromTensors makes a File of tensors in memory. The name is for messages.
func FromTensors(name string, ts []*Tensor) (*File, error) {
	f := newFile(name)
	f.Format = "memory"
	for _, t := range ts {
		if err := f.add(t); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return f, nil
}

// Names returns the names of all tensors in ascending order.
func (f *File) Names() []string { return slices.Sorted(maps.Keys(f.tensors)) }

// Len returns the number of tensors.
func (f *File) Len() int { return len(f.tensors) }

// Lookup returns the tensor of a name.
func (f *File) Lookup(name string) (*Tensor, bool) {
	t, ok := f.tensors[name]
	return t, ok
}

// Close unmaps the file. Its tensors cannot be read any more; what was read from them stays valid.
func (f *File) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	var errs []error
	for _, data := range f.mapped {
		if err := unix.Munmap(data); err != nil {
			errs = append(errs, fmt.Errorf("%s: unmap: %w", f.Path, err))
		}
	}
	return errors.Join(errs...)
}

func (f *File) add(t *Tensor) error {
	_, foreign := f.foreign[t.Name]
	if _, ok := f.tensors[t.Name]; ok || foreign {
		return fmt.Errorf("tensor %q is there twice", t.Name)
	}
	f.tensors[t.Name] = t
	return nil
}

func (f *File) addForeign(name, typ string) error {
	_, foreign := f.foreign[name]
	if _, ok := f.tensors[name]; ok || foreign {
		return fmt.Errorf("tensor %q is there twice", name)
	}
	f.foreign[name] = typ
	return nil
}

// mapFile maps a regular file for reading.
func mapFile(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // opening a pipe would wait for a writer
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("%s: %w", path, p.Err)
	} else if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, irregular(path, info.Mode())
	case info.Size() == 0:
		return nil, fmt.Errorf("%s: the file is empty", path)
	}
	data, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: map %d bytes: %w", path, info.Size(), err)
	}
	return data, nil
}

// irregular is the error for what is no regular file.
func irregular(path string, mode fs.FileMode) error {
	what := "a device"
	switch {
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	}
	return fmt.Errorf("%s: is %s, not a regular file", path, what)
}

// parse tells the format from the first bytes and reads the header.
func parse(name string, data []byte) (*File, error) {
	f := newFile(name)
	f.Size = int64(len(data))
	var err error
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		f.Format, err = "torch", f.readTorch(data)
	case len(data) > 8 && data[8] == '{':
		f.Format, err = "safetensors", f.readSafetensors(data)
	case len(data) == 0:
		err = errors.New("the file is empty")
	default:
		err = fmt.Errorf("%s", stranger(data))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// strangers are the first bytes of what is taken for a checkpoint and is none.
var strangers = []struct{ begin, is string }{
	{"version https://git-lfs", "this is a Git LFS pointer, not the checkpoint itself: run git lfs pull"},
	{"\x1f\x8b", "a gzip archive: unpack it first"},
	{"\x28\xb5\x2f\xfd", "a zstd archive: unpack it first"},
	{"BZh", "a bzip2 archive: unpack it first"},
	{"\xfd7zXZ", "an xz archive: unpack it first"},
	{"7z\xbc\xaf", "a 7z archive: unpack it first"},
	{"Rar!", "a RAR archive: unpack it first"},
	{"\x89HDF\r\n", "an HDF5 file (Keras): want a .pt or .safetensors checkpoint"},
	{"GGUF", "a GGUF file: want a .pt or .safetensors checkpoint"},
	{"\x93NUMPY", "a NumPy array: want a .pt or .safetensors checkpoint"},
	{"<", "a web page or XML, not a checkpoint: the download went wrong"},
	{"{", "JSON, not a checkpoint"},
}

// legacyMagic is the number that torch.save wrote before 1.6, as a pickle.
const legacyMagic = "\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."

// stranger says what bytes are that are no checkpoint of ours.
func stranger(data []byte) string {
	for _, s := range strangers {
		if bytes.HasPrefix(bytes.TrimLeft(data[:min(len(data), 64)], " \t\r\n"), []byte(s.begin)) {
			return s.is
		}
	}
	switch {
	case bytes.HasPrefix(data[min(len(data), 2):], []byte(legacyMagic)) || len(data) > 262 && string(data[257:262]) == "ustar":
		return "the format of torch.save before 1.6 is not supported: load it with PyTorch and torch.save it again" +
			" (without _use_new_zipfile_serialization=False)"
	case len(data) > 2 && data[0] == 0x80 && data[1] <= 5:
		return "a pickle, but not one of torch.save: load it with PyTorch and torch.save it again"
	case len(data) > 8 && string(data[4:8]) == "TFL3":
		return "a TensorFlow Lite model: want a .pt or .safetensors checkpoint"
	}
	return "neither a safetensors file nor a zip archive of torch.save"
}
