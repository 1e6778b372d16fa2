package pipelines

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/runtime"
	"github.com/seed49bbd0e6/tachi/stages/model"
	"github.com/seed49bbd0e6/tachi/stages/output"
)

// A checkpoint is a zip archive: about.json says what it belongs to, tokens/ and places/ hold the
// parts. It gets its name when it is whole and on the disk, in place of the one before, so that
// there is always one to go on from. The end of the run removes it.

// about says what a checkpoint belongs to.
type about struct {
	Version int               `json:"version"`
	Frame   int               `json:"frame"`
	Every   int               `json:"every"`
	Plan    map[string]string `json:"plan"` // graph.Plan.Identity
	Weights string            `json:"weights"`
	Input   string            `json:"input"`
}

const checkpointVersion = 2

// Checkpoints writes and reads the checkpoints of one run.
type Checkpoints struct {
	path  string
	about about
}

// Checkpoints says what the checkpoints of the pipeline belong to, one every so many frames. An
// empty path stands for checkpoint.tachi beside the first output. Input that cannot be read again
// is refused.
func (p *Pipeline) Checkpoints(path string, every int) (*Checkpoints, error) {
	plan := p.Graph
	s := &Checkpoints{path: path, about: about{Version: checkpointVersion, Every: every, Plan: plan.Identity()}}
	if s.path == "" {
		out := outputs(plan)
		if len(out) == 0 {
			return nil, graph.Errorf(graph.BadUsage, "nothing is written, so there is nothing to go on with")
		}
		s.path = filepath.Join(filepath.Dir(out[0].path), "checkpoint.tachi")
	}
	var err error
	paths(plan, func(key, path string, out bool) {
		if out || err != nil || !strings.HasPrefix(key, "stages."+plan.Source().ID+".") {
			return
		}
		var mark string
		if mark, err = fingerprint(path); err == nil {
			s.about.Input += mark + "\n"
		}
	})
	if err != nil {
		return nil, err
	}
	if plan.Model.Set {
		if s.about.Weights, err = model.Hash(plan.Model); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// fingerprint tells an input from another: its size, its beginning and its end; of a folder the
// names and sizes.
func fingerprint(path string) (string, error) {
	if path == "-" || strings.Contains(path, "://") {
		return "", graph.Errorf(graph.BadUsage, "%s cannot be read again from its beginning: a run on it cannot be resumed", path)
	}
	info, err := os.Stat(path)
	if err != nil {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err
		}
		return "", graph.Errorf(graph.BadData, "%s: %w", path, err)
	}
	h := sha256.New()
	if info.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			return "", &graph.Error{Kind: graph.BadData, Err: err}
		}
		for _, e := range entries {
			if i, err := e.Info(); err == nil {
				fmt.Fprintln(h, e.Name(), i.Size())
			}
		}
		return fmt.Sprintf("%d entries, %s", len(entries), hex.EncodeToString(h.Sum(nil)[:8])), nil
	}
	if !info.Mode().IsRegular() {
		return "", graph.Errorf(graph.BadUsage, "%s is not a regular file: a run on it cannot be resumed", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", &graph.Error{Kind: graph.BadData, Err: err}
	}
	defer f.Close()
	const end = 1 << 16
	for _, at := range []int64{0, max(0, info.Size()-end)} {
		if _, err := io.Copy(h, io.NewSectionReader(f, at, end)); err != nil {
			return "", &graph.Error{Kind: graph.BadData, Err: err}
		}
	}
	return fmt.Sprintf("%d bytes, %s", info.Size(), hex.EncodeToString(h.Sum(nil)[:8])), nil
}

// Check reports whether a checkpoint can be written at all. What is there must be an older one:
// another file stays.
func (s *Checkpoints) Check() error {
	z, err := zip.OpenReader(s.path)
	if err == nil {
		if len(z.File) == 0 || z.File[0].Name != "about.json" {
			err = zip.ErrFormat
		}
		z.Close()
	}
	if info, _ := os.Stat(s.path); errors.Is(err, zip.ErrFormat) && info != nil && info.Size() > 0 {
		return graph.Errorf(graph.BadOutput, "%s exists and is not a checkpoint: --checkpoint names the file to write", s.path)
	}
	f, err := output.Create(s.path, true)
	if err != nil {
		return err
	}
	f.Discard()
	return nil
}

// Save writes a checkpoint in place of the one before.
func (s *Checkpoints) Save(c *runtime.Checkpoint) error {
	f, err := output.Create(s.path, true)
	if err != nil {
		return err
	}
	z := zip.NewWriter(f)
	entry := func(name string, data []byte) {
		if err == nil {
			var w io.Writer
			if w, err = z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store}); err == nil {
				_, err = w.Write(data)
			}
		}
	}
	s.about.Frame = c.Frame
	text, _ := json.MarshalIndent(s.about, "", "  ") // plain strings and numbers
	entry("about.json", text)
	for _, key := range slices.Sorted(maps.Keys(c.Tokens)) {
		entry("tokens/"+key, c.Tokens[key])
	}
	for _, key := range slices.Sorted(maps.Keys(c.Places)) {
		entry("places/"+key, c.Places[key])
	}
	if err = cmp.Or(err, z.Close()); err != nil {
		f.Discard()
		return err
	}
	return f.Commit()
}

// End removes the checkpoint when the run has left nothing to go on with.
func (s *Checkpoints) End(err error) {
	if err == nil || graph.KindOf(err) == graph.Incomplete {
		_ = os.Remove(s.path)
	}
}

// Load reads the checkpoint, and refuses one that belongs to something else.
func (s *Checkpoints) Load() (*runtime.Checkpoint, error) {
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, graph.Errorf(graph.BadData, "%s: no checkpoint to go on from: run with --checkpoint-every N first", s.path)
	}
	bad := func(err error) error { return graph.Errorf(graph.BadData, "%s: not a checkpoint: %w", s.path, err) }
	if err != nil {
		return nil, bad(err)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, bad(err)
	}
	c := &runtime.Checkpoint{Tokens: map[string][]byte{}, Places: map[string][]byte{}}
	var was about
	for _, f := range z.File {
		if f.Method != zip.Store || f.UncompressedSize64 > uint64(len(data)) {
			return nil, bad(fmt.Errorf("%s is compressed", f.Name))
		}
		r, err := f.Open()
		if err != nil {
			return nil, bad(err)
		}
		part, err := io.ReadAll(r)
		if err = cmp.Or(err, r.Close()); err != nil {
			return nil, bad(fmt.Errorf("%s: %w", f.Name, err))
		}
		switch folder, name, _ := strings.Cut(f.Name, "/"); folder {
		case "about.json":
			if err := json.Unmarshal(part, &was); err != nil {
				return nil, bad(err)
			}
		case "tokens":
			c.Tokens[name] = part
		case "places":
			c.Places[name] = append([]byte{}, part...)
		}
	}
	if c.Frame = was.Frame; c.Frame < 1 {
		return nil, bad(errors.New("it names no frame"))
	}
	if diff := s.about.differences(was); diff != nil {
		return nil, graph.Errorf(graph.BadData, "%s belongs to another run:\n%s", s.path, strings.Join(diff, "\n"))
	}
	if s.about.Every == 0 {
		s.about.Every = was.Every
	}
	return c, nil
}

// differences lists how this run and the one of a checkpoint differ.
func (a about) differences(was about) (diff []string) {
	say := func(what, now, then string) {
		if now != then {
			diff = append(diff, fmt.Sprintf("%s is %s, was %s", what, cmp.Or(strings.TrimSpace(now), "not there"), cmp.Or(strings.TrimSpace(then), "not there")))
		}
	}
	say("the checkpoint's version", fmt.Sprint(a.Version), fmt.Sprint(was.Version))
	say("the input", a.Input, was.Input)
	say("the hash of the weights", a.Weights, was.Weights)
	keys := maps.Clone(a.Plan)
	maps.Copy(keys, was.Plan)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		say(k, a.Plan[k], was.Plan[k])
	}
	return diff
}

// Every returns the number of frames between checkpoints: once one is loaded, that of its run where
// none was given.
func (s *Checkpoints) Every() int { return s.about.Every }
