// Package writetracks writes where each object is: boxes in LaSOT's text format, and one JSON event
// per frame and object with every score that led there, so that a lost object can be explained.
package writetracks

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/outfile"
	"github.com/seed49bbd0e6/tachi/stages/internal/prompt"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is "write-tracks".
var Stage = graph.NewSink("write-tracks", "Writes boxes (LaSOT: x,y,w,h per frame, integers, 0,0,0,0 when lost) and events (one JSON "+
	"object per frame and object: scores, filter stage, what became of the memory). Where several objects are prompted, each has its own boxes file with its number in the name: tracks-1.txt, tracks-2.txt.", open)

// Options name the files.
type Options struct {
	Path   graph.OutPath `toml:"path" default:"tracks.txt" doc:"boxes; empty for none. With several objects tracks-1.txt, tracks-2.txt and so on"`
	Events graph.OutPath `toml:"events" default:"events.jsonl" doc:"events; empty for none"`
}

// In is one firing's input.
type In struct {
	Result *token.Result       `port:"result" doc:"of a select stage"`
	Memory *token.MemoryReport `port:"memory,optional" doc:"of memory-encode, for the events"`
}

// Event is one line of the events file.
type Event struct {
	Frame       int      `json:"frame"`
	PTS         int64    `json:"pts"`
	Time        float64  `json:"time"` // seconds
	Name        string   `json:"name,omitempty"`
	Object      int      `json:"object"`
	Box         [4]int   `json:"box"` // x, y, w, h in stored pixels, upright; w = xmax - xmin as in LaSOT
	Prompted    bool     `json:"prompted,omitempty"`
	Chosen      int      `json:"chosen"`
	IoU         float32  `json:"predicted_iou"`
	ObjectLogit float32  `json:"object_score_logit"`
	KFScore     *float64 `json:"kf_score"`
	Filter      string   `json:"filter"` // start, warm-up, motion; empty when the filter did not run
	Memory      *string  `json:"memory"` // "valid" or why not; null when memory-encode is not connected
	Bank        []int    `json:"bank,omitempty"`
	Lost        *Lost    `json:"lost,omitempty"`
}

// Lost says since which frame an object has no pixels, and why on this one.
type Lost struct {
	Since int    `json:"since"`
	Why   string `json:"why"`
}

type writer struct {
	env     *graph.Env
	o       *Options
	boxes   map[int]*buffered
	events  *buffered
	json    *json.Encoder // into events
	lost    map[int]int   // first frame of the current absence
	begun   bool          // a frame has come
	several bool          // objects are prompted in this stream, so that the files' names have numbers
}

type buffered struct {
	*bufio.Writer
	file *outfile.File // nil when the file was complete before this run
	size int64         // its size at the checkpoint then
}

func open(env *graph.Env, o *Options) (func(context.Context, *In) error, func(error) error, error) {
	w := &writer{env: env, o: o, boxes: map[int]*buffered{}, lost: map[int]int{}}
	if o.Path != "" && env.Resume == nil {
		if err := outfile.Check(string(o.Path), env.Overwrite); err != nil {
			return nil, nil, err
		}
	}
	env.Save = w.save
	if env.Resume != nil {
		if err := w.resume(env.Resume); err != nil {
			return nil, nil, err
		}
	} else if o.Events != "" {
		var err error
		if w.events, err = w.create(string(o.Events)); err != nil {
			return nil, nil, err
		}
	}
	if w.events != nil {
		w.json = json.NewEncoder(w.events)
		w.json.SetEscapeHTML(false)
	}
	return w.fire, w.close, nil
}

func (w *writer) create(path string) (*buffered, error) {
	f, err := outfile.Create(path, w.env.Overwrite)
	if err != nil {
		return nil, err
	}
	return &buffered{Writer: bufio.NewWriter(f), file: f}, nil
}

func (w *writer) fire(_ context.Context, in *In) error {
	if err := w.begin(in.Result.Stream); err != nil {
		return err
	}
	for i, t := range in.Result.Objects {
		if err := w.box(t, in.Result.Index); err != nil {
			return err
		}
		var note *token.MemoryNote
		if in.Memory != nil {
			note = &in.Memory.Objects[i]
		}
		if err := w.event(in.Result.Header, t, note); err != nil {
			return err
		}
	}
	return nil
}

// begin settles the names of the boxes files on the first frame, and that each can be written, also
// those of objects that appear late.
func (w *writer) begin(s *token.Stream) error {
	if w.begun {
		return nil
	}
	w.begun, w.several = true, len(s.Objects) > 1
	if !w.several || w.o.Path == "" {
		return nil
	}
	for _, object := range s.Objects {
		if err := outfile.Check(w.path(object), w.env.Overwrite); err != nil {
			return err
		}
	}
	return nil
}

// box writes one line. An object that appears late gets zeros for the frames before, so that line n
// is frame n.
func (w *writer) box(t *token.Tracked, frame int) error {
	if w.o.Path == "" {
		return nil
	}
	out, ok := w.boxes[t.Object]
	if !ok {
		var err error
		if out, err = w.create(w.path(t.Object)); err != nil {
			return err
		}
		w.boxes[t.Object] = out
		for range frame {
			fmt.Fprintln(out, "0,0,0,0")
		}
	}
	b := t.Box().Span().Pixels() // LaSOT's width
	_, err := fmt.Fprintf(out, "%d,%d,%d,%d\n", b[0], b[1], b[2], b[3])
	return err
}

// path is the file of an object's boxes.
func (w *writer) path(object int) string {
	if !w.several {
		return string(w.o.Path)
	}
	return numbered(string(w.o.Path), object)
}

func numbered(path string, object int) string {
	ext := filepath.Ext(path)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, ext), object, ext)
}

// Names lists the boxes files that there may be under a path: the path itself, or one for each
// object.
func Names(path string) []string {
	names := []string{path}
	for object := 1; object <= prompt.MaxObject; object++ {
		names = append(names, numbered(path, object))
	}
	return names
}

func (w *writer) event(h *token.Header, t *token.Tracked, note *token.MemoryNote) error {
	if w.events == nil {
		return nil
	}
	e := Event{Frame: h.Index, PTS: h.PTS, Time: float64(h.PTS) * h.Stream.TimeBase.Float(), Name: h.Name, Object: t.Object, Box: t.Box().Span().Pixels(),
		Prompted: h.Prompted(t.Object), Chosen: t.Chosen, IoU: t.IoU, ObjectLogit: t.ObjectLogit, KFScore: t.KFScore, Filter: t.FilterStage}
	if note != nil {
		memory := "valid"
		if !note.Valid {
			memory = note.Reason
		}
		e.Memory, e.Bank = &memory, note.Frames
	}
	if t.Lost() {
		since, ok := w.lost[t.Object]
		if !ok {
			since = h.Index
			w.lost[t.Object] = since
		}
		e.Lost = &Lost{since, "no pixel of the mask is above 0"}
		if !t.Appears {
			e.Lost.Why = fmt.Sprintf("object logit %.3f says that it does not appear", t.ObjectLogit)
		}
	} else {
		delete(w.lost, t.Object)
	}
	return w.json.Encode(e)
}

func (w *writer) close(cause error) error {
	files := []*buffered{}
	if w.events != nil {
		files = append(files, w.events)
	}
	for _, b := range w.boxes {
		files = append(files, b)
	}
	var first error
	for _, f := range files {
		if f.file == nil {
			continue
		}
		err := f.Flush()
		if cause == nil && err == nil {
			err = f.file.Commit()
		} else if e := f.file.Abandon(); err == nil {
			err = e
		}
		if first == nil {
			first = err
		}
	}
	return first
}
