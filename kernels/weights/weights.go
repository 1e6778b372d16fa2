// Package weights reads and writes network weights: safetensors files, and the zip archives of torch.save.
//
// A checkpoint comes from outside and is treated as hostile. Nothing in it is ever executed: a pickle may name a
// handful of tensor constructors and plain containers, and anything else is an error that says what it was. Every
// length, offset, shape and stride is checked against the bytes that are there before a tensor is handed out, so
// what a file can cost is bounded by its own size.
//
// Files are mapped, not read: opening one costs its header, whatever the size of the rest. Tensors are bound to
// the file they came from, and give an error once it is closed.
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

	tensors map[string]*Tensor
	mapped  []byte
	closed  atomic.Bool
}

// Open maps a checkpoint and reads its header. The format is told by content, never by the file's name. As with any
// mapping, the file must not be shortened while it is in use.
func Open(path string) (*File, error) {
	data, err := mapFile(path)
	if err != nil {
		return nil, err
	}
	f, err := parse(path, data)
	if err != nil {
		_ = unix.Munmap(data)
		return nil, err
	}
	f.mapped = data
	return f, nil
}

// Parse reads a checkpoint that is already in memory, which must not change while the File is in use. The name
// is for messages.
func Parse(name string, data []byte) (*File, error) { return parse(name, data) }

// FromTensors makes a File of tensors in memory. The name is for messages.
func FromTensors(name string, ts []*Tensor) (*File, error) {
	f := &File{Path: name, Format: "memory", tensors: make(map[string]*Tensor, len(ts))}
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
	if f.closed.Swap(true) || f.mapped == nil {
		return nil
	}
	if err := unix.Munmap(f.mapped); err != nil {
		return fmt.Errorf("%s: unmap: %w", f.Path, err)
	}
	return nil
}

func (f *File) add(t *Tensor) error {
	if _, ok := f.tensors[t.Name]; ok {
		return fmt.Errorf("tensor %q is there twice", t.Name)
	}
	f.tensors[t.Name] = t
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
		return nil, fmt.Errorf("%s: not a regular file", path)
	case info.Size() == 0:
		return nil, fmt.Errorf("%s: the file is empty", path)
	}
	data, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: map %d bytes: %w", path, info.Size(), err)
	}
	return data, nil
}

// parse tells the format from the first bytes and reads the header.
func parse(name string, data []byte) (*File, error) {
	f := &File{Path: name, Size: int64(len(data)), tensors: map[string]*Tensor{}}
	var err error
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		f.Format, err = "torch", f.readTorch(data)
	case len(data) > 8 && data[8] == '{':
		f.Format, err = "safetensors", f.readSafetensors(data)
	case len(data) > 2 && data[0] == 0x80 && data[1] <= 5:
		err = errors.New("the pickle format of torch.save before 1.6 is not supported: load and save it again with a newer torch")
	case bytes.HasPrefix(data, []byte("version https://git-lfs")):
		err = errors.New("this is a Git LFS pointer, not the checkpoint itself: run git lfs pull")
	case len(data) == 0:
		err = errors.New("the file is empty")
	default:
		err = errors.New("neither a safetensors file nor a zip archive of torch.save")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}
