package weights

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// WriteSafetensors writes tensors as a safetensors file. They are laid out by falling element size,
// then by name, so that each is aligned to its type and equal sets give equal bytes. Tensors are
// read one at a time.
func WriteSafetensors(w io.Writer, tensors []*Tensor, metadata map[string]string) error {
	sorted := slices.Clone(tensors)
	slices.SortStableFunc(sorted, func(a, b *Tensor) int {
		return cmp.Or(cmp.Compare(b.DType.Size(), a.DType.Size()), cmp.Compare(a.Name, b.Name))
	})
	header, err := safetensorsHeader(sorted, metadata)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<20)
	if _, err := out.Write(header); err != nil {
		return err
	}
	for _, t := range sorted {
		data, err := t.Dense()
		if err != nil {
			return err
		}
		if _, err := out.Write(data); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
	}
	return out.Flush()
}

// safetensorsHeader returns the length and the JSON, padded with spaces so that the data begins at
// a multiple of 8.
func safetensorsHeader(tensors []*Tensor, metadata map[string]string) ([]byte, error) {
	names := map[kernels.DType]string{}
	for name, dt := range safetensorsTypes {
		names[dt] = name
	}
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	b.WriteByte('{')
	member := func(name string, value any) error {
		if b.Len() > 9 {
			b.WriteByte(',')
		}
		for i, v := range []any{name, value} {
			text, err := json.Marshal(v)
			if err != nil {
				return err
			}
			b.Write(text)
			if i == 0 {
				b.WriteByte(':')
			}
		}
		return nil
	}
	if len(metadata) > 0 {
		if err := member("__metadata__", metadata); err != nil {
			return nil, err
		}
	}
	seen, at := map[string]bool{"__metadata__": true}, uint64(0)
	for _, t := range tensors {
		if seen[t.Name] {
			return nil, fmt.Errorf("tensor name %q is taken", t.Name)
		}
		seen[t.Name] = true
		end := at + uint64(t.Bytes())
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		if err := member(t.Name, safetensorsEntry{names[t.DType], shape, []uint64{at, end}}); err != nil {
			return nil, err
		}
		at = end
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len()-8 > maxHeader {
		return nil, fmt.Errorf("a header of %d bytes is over the format's limit of %d", b.Len()-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(b.Len()-8))
	return b.Bytes(), nil
}

// Spool collects tensors that arrive one after the other for a safetensors file whose size is not
// known before the last. Their bytes wait in a temporary file, so memory does not grow with them.
type Spool struct {
	file    *os.File
	out     *bufio.Writer
	size    int64
	tensors []*Tensor
	seen    map[string]bool
}

// NewSpool makes the temporary file in a folder, best the one of the final file.
func NewSpool(dir string) (*Spool, error) {
	file, err := os.CreateTemp(dir, ".tensors-*.partial")
	if err != nil {
		return nil, err
	}
	return &Spool{file: file, out: bufio.NewWriterSize(file, 1<<20), seen: map[string]bool{}}, nil
}

// Add appends a tensor.
func (s *Spool) Add(t *Tensor) error {
	if s.seen[t.Name] {
		return fmt.Errorf("tensor name %q is taken", t.Name)
	}
	data, err := t.Dense()
	if err != nil {
		return err
	}
	if _, err := s.out.Write(data); err != nil {
		return fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	s.seen[t.Name] = true
	at, n := s.size, len(data)
	s.size += int64(n)
	s.tensors = append(s.tensors, &Tensor{
		Name: t.Name, DType: t.DType, Shape: slices.Clone(t.Shape),
		read: func() ([]byte, error) {
			out := make([]byte, n)
			_, err := s.file.ReadAt(out, at)
			return out, err
		},
	})
	return nil
}

// Len returns how many tensors were added.
func (s *Spool) Len() int { return len(s.tensors) }

// Write writes the file. More tensors may be added afterwards, for a later Write.
func (s *Spool) Write(w io.Writer, metadata map[string]string) error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	return WriteSafetensors(w, s.tensors, metadata)
}

// Close deletes the temporary file.
func (s *Spool) Close() error {
	err := s.file.Close()
	if rm := os.Remove(s.file.Name()); err == nil {
		err = rm
	}
	return err
}
