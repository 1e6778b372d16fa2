package writetracks

import (
	"bufio"
	"encoding/json"
	"io"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/outfile"
)

// resumePoint is where the files are at a checkpoint: how long each is, and what the next lines
// depend on.
type resumePoint struct {
	Events *int64
	Boxes  map[int]int64 // by object
	Lost   map[int]int

	Several bool // the files' names have numbers
}

// save brings all lines so far to the disk.
func (w *writer) save() ([]byte, error) {
	p := resumePoint{Boxes: map[int]int64{}, Lost: w.lost, Several: w.several}
	if w.events != nil {
		size, err := w.events.settle()
		if err != nil {
			return nil, err
		}
		p.Events = &size
	}
	for object, b := range w.boxes {
		size, err := b.settle()
		if err != nil {
			return nil, err
		}
		p.Boxes[object] = size
	}
	return json.Marshal(p)
}

func (b *buffered) settle() (int64, error) {
	if b.file == nil {
		return b.size, nil
	}
	if err := b.Flush(); err != nil {
		return 0, err
	}
	return b.file.Sync()
}

// resume opens the files again and cuts them to where they were.
func (w *writer) resume(data []byte) error {
	var p resumePoint
	if err := json.Unmarshal(data, &p); err != nil {
		return graph.Errorf(graph.BadData, "the checkpoint: %w", err)
	}
	reopen := func(path string, size int64) (*buffered, error) {
		if outfile.Committed(path) {
			return &buffered{Writer: bufio.NewWriter(io.Discard), size: size}, nil
		}
		f, err := outfile.Reopen(path, size, w.env.Overwrite)
		if err != nil {
			return nil, err
		}
		return &buffered{Writer: bufio.NewWriter(f), file: f}, nil
	}
	var err error
	w.begun, w.several = true, p.Several
	for object, lost := range p.Lost {
		w.lost[object] = lost
	}
	if p.Events != nil {
		if w.events, err = reopen(string(w.o.Events), *p.Events); err != nil {
			return err
		}
	}
	for object, size := range p.Boxes {
		if w.boxes[object], err = reopen(w.path(object), size); err != nil {
			return err
		}
	}
	return nil
}
