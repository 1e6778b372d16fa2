package prompt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/seed49bbd0e6/tachi/graph/infile"
)

// A file of prompts is JSON:
//
//	{"prompts": [
//	  {"object": 1, "frame": 0, "box": [520, 260, 200, 210]},
//	  {"object": 2, "frame": 30, "points": [[100, 80, 1], [140, 90, 0]]},
//	  {"object": 3, "frame": 30, "mask": "third.png"}
//	]}
//
// object is 1 to 255 and 1 when left out, frame is 0-based and 0 when left out. box is x, y, width,
// height; a point is x, y and a label, 1 (on the object, and the default) or 0 (off it). mask is a
// PNG, relative to this file: one of several objects, as in DAVIS, prompts them all, and then
// object has to be left out. An entry has a mask, or a box, or points, or a box and points; an
// object has at most one entry on a frame. Anything else is an error that names the line.

const maxFile = 256 << 20

// text is a file of prompts, for the places in it.
type text struct {
	path string
	data []byte
}

// where names the line of a byte.
func (t *text) where(at int) string {
	return fmt.Sprintf("%s:%d: ", t.path, 1+bytes.Count(t.data[:min(max(at, 0), len(t.data))], []byte("\n")))
}

// last is the file that was parsed last. It is wanted several times: to plan a run, and to run it.
var last struct {
	sync.Mutex
	text
	entries []entry
}

func readFile(path string) ([]entry, error) {
	data, err := infile.ReadOnce(path, maxFile)
	if err != nil {
		return nil, err
	}
	last.Lock()
	defer last.Unlock()
	if last.path == path && bytes.Equal(last.data, data) {
		return slices.Clone(last.entries), nil
	}
	entries, err := parseFile(path, data)
	if err != nil {
		return nil, err
	}
	last.text, last.entries = text{path, data}, entries
	return slices.Clone(entries), nil
}

// parseFile reads the entries of a file. Their values are not compared with a frame yet.
func parseFile(path string, data []byte) ([]entry, error) {
	plain, err := infile.Text(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	data = plain
	r := &text{path, data}
	var entries []entry
	err = r.object(data, 0, func(key string, value []byte, at int) error {
		if key != "prompts" {
			return r.errorf(at, "unknown key %s: want prompts", infile.Brief(key))
		}
		return r.array(value, at, func(value []byte, at int) error {
			e, err := r.entry(value, at)
			entries = append(entries, e)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, r.errorf(0, "no prompts")
	}
	return entries, unique(entries)
}

// unique refuses a second prompt of an object on a frame. Whose a mask without an object is says
// its picture, later.
func unique(entries []entry) error {
	type place struct{ object, frame int }
	seen := make(map[place]bool, len(entries))
	for i := range entries {
		e := &entries[i]
		if e.object == 0 {
			continue
		}
		if seen[place{e.object, e.frame}] {
			return fmt.Errorf("%sobject %d has two prompts on frame %d: put its box and points into one", e.where(), e.object, e.frame)
		}
		seen[place{e.object, e.frame}] = true
	}
	return nil
}

const space = " \t\r\n"

// The methods below walk JSON and know where in the file they are. Positions are byte offsets.

// brief is a value as it stands in the file, cut short.
func brief(data []byte) string {
	quoted := infile.Brief(string(data))
	return quoted[1 : len(quoted)-1]
}

func (r *text) errorf(at int, format string, args ...any) error {
	return fmt.Errorf("%s%w", r.where(at), fmt.Errorf(format, args...))
}

// entry reads one prompt.
func (r *text) entry(data []byte, start int) (entry, error) {
	e := entry{file: r, at: start}
	err := r.object(data, start, func(key string, value []byte, at int) error {
		f, known := entryKeys[key]
		if !known {
			return r.errorf(at, "unknown key %s: want object, frame, box, points or mask", infile.Brief(key))
		}
		if err := r.value(value, at, key, f.want, f.to(&e)); err != nil {
			return err
		}
		if err := f.check(&e); err != nil {
			return r.errorf(at, "%w", err)
		}
		return nil
	})
	switch {
	case err != nil:
		return e, err
	case e.mask == "" && e.box == nil && e.points == nil:
		return e, r.errorf(start, "a prompt needs a box, points or a mask")
	case e.mask != "" && (e.box != nil || e.points != nil):
		return e, r.errorf(start, "a mask excludes box and points")
	}
	if e.object == 0 && e.mask == "" {
		e.object = 1
	}
	if e.mask != "" && !filepath.IsAbs(e.mask) {
		e.mask = filepath.Join(filepath.Dir(r.path), e.mask)
	}
	return e, nil
}

// entryKeys are the keys of a prompt: what each wants, where it goes, and what may be wrong with
// it.
var entryKeys = map[string]struct {
	want  string
	to    func(*entry) any
	check func(*entry) error
}{
	"object": {"a whole number", func(e *entry) any { return &e.object }, func(e *entry) error {
		if e.object < 1 || e.object > MaxObject {
			return fmt.Errorf("object %d is not from 1 to %d", e.object, MaxObject)
		}
		return nil
	}},
	"frame": {"a whole number", func(e *entry) any { return &e.frame }, func(e *entry) error {
		if e.frame < 0 {
			return fmt.Errorf("frame %d is negative", e.frame)
		}
		return nil
	}},
	"box": {"[x, y, width, height]", func(e *entry) any { return &e.box }, func(e *entry) error {
		if len(e.box) != 4 {
			return fmt.Errorf("box: want [x, y, width, height], not %d numbers", len(e.box))
		}
		return nil
	}},
	"points": {"[[x, y, label], ...]", func(e *entry) any { return &e.points }, func(e *entry) error {
		if len(e.points) == 0 {
			return errors.New("points: want at least one")
		}
		return (&Options{Points: e.points}).Validate()
	}},
	"mask": {"the path of a PNG", func(e *entry) any { return &e.mask }, func(e *entry) error {
		if e.mask == "" {
			return errors.New("mask: want the path of a PNG")
		}
		return nil
	}},
}

// value decodes one value. null is not one.
func (r *text) value(data []byte, at int, key, want string, out any) error {
	if err := json.Unmarshal(data, out); err != nil || bytes.Contains(data, []byte("null")) && key != "mask" {
		return r.errorf(at, "%s: want %s, not %s", key, want, brief(data))
	}
	return nil
}

// object calls fn for every member of a JSON object. A key that is there twice is an error.
func (r *text) object(data []byte, start int, fn func(key string, value []byte, at int) error) error {
	seen := map[string]bool{}
	return r.walk(data, start, '{', "an object", func(dec *json.Decoder) error {
		tok, err := dec.Token()
		if err != nil {
			return r.broken(dec, start, err)
		}
		key := tok.(string)
		value, at, err := r.next(dec, start)
		if err != nil {
			return err
		}
		if seen[key] {
			return r.errorf(at, "%s is there twice", infile.Brief(key))
		}
		seen[key] = true
		return fn(key, value, at)
	})
}

// array calls fn for every element of a JSON array.
func (r *text) array(data []byte, start int, fn func(value []byte, at int) error) error {
	return r.walk(data, start, '[', "an array", func(dec *json.Decoder) error {
		value, at, err := r.next(dec, start)
		if err != nil {
			return err
		}
		return fn(value, at)
	})
}

func (r *text) walk(data []byte, start int, open json.Delim, what string, member func(*json.Decoder) error) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	tok, err := dec.Token()
	if err != nil {
		return r.broken(dec, start, err)
	}
	if tok != open {
		return r.errorf(start, "want %s, not %s", what, brief(data))
	}
	for dec.More() {
		if err := member(dec); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return r.broken(dec, start, err)
	}
	if rest := bytes.TrimSpace(data[dec.InputOffset():]); len(rest) > 0 {
		return r.errorf(start+int(dec.InputOffset()), "%s follows the end", infile.Brief(string(rest)))
	}
	return nil
}

// next returns the next value and its place.
func (r *text) next(dec *json.Decoder, start int) ([]byte, int, error) {
	var value json.RawMessage
	if err := dec.Decode(&value); err != nil {
		return nil, 0, r.broken(dec, start, err)
	}
	value = bytes.TrimLeft(value, space)
	return value, start + int(dec.InputOffset()) - len(value), nil
}

// broken is an error of JSON itself.
func (r *text) broken(dec *json.Decoder, start int, err error) error {
	at := start + int(dec.InputOffset())
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = max(at, start+int(syntax.Offset))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.errorf(len(r.data), "the file ends too early")
	}
	for at < len(r.data) && strings.IndexByte(space, r.data[at]) >= 0 { // it is the next thing that is wrong
		at++
	}
	return r.errorf(at, "%w", err)
}
