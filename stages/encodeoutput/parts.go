//go:build !nomedia

package encodeoutput

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/media"
	"github.com/seed49bbd0e6/tachi/stages/internal/outfile"
)

// part is the name of a complete part: overlay.partial.0003.mp4.
func (s *sink) part(i int) string {
	partial := outfile.Partial(string(s.o.Path))
	ext := filepath.Ext(partial)
	return fmt.Sprintf("%s.%04d%s", strings.TrimSuffix(partial, ext), i, ext)
}

// save ends a part. Its number is all that a later run needs to know.
func (s *sink) save() ([]byte, error) {
	if s.writer != nil {
		if err := s.endPart(); err != nil {
			return nil, err
		}
	}
	return json.Marshal(s.parts)
}

func (s *sink) endPart() error {
	err := s.writer.Close()
	s.writer = nil
	if err == nil {
		_, err = s.file.Sync()
	}
	if e := s.file.Abandon(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(s.file.Path(), s.part(s.parts))
	}
	s.file = nil
	if err != nil {
		return outfile.Errorf(string(s.o.Path), err)
	}
	s.parts++
	return nil
}

// resume takes up the parts before a checkpoint, and forgets those behind it.
func (s *sink) resume(data []byte) error {
	if err := json.Unmarshal(data, &s.parts); err != nil {
		return graph.Errorf(graph.BadData, "the checkpoint: %w", err)
	}
	var missing error
	for i := range s.parts {
		if _, err := os.Stat(s.part(i)); err != nil {
			missing = outfile.Errorf(s.part(i), err)
		}
	}
	if outfile.Committed(string(s.o.Path)) && (missing != nil || !s.env.Overwrite) {
		s.committed = true
		return nil
	}
	if missing != nil {
		return missing
	}
	s.forget()
	return nil
}

// forget removes the parts behind the checkpoint.
func (s *sink) forget() {
	for i := s.parts; os.Remove(s.part(i)) == nil; i++ {
	}
}

// clean removes the parts of a file that was complete before this run: the last ones came after the
// checkpoint.
func (s *sink) clean(error) error {
	for i := range s.parts {
		os.Remove(s.part(i))
	}
	s.forget()
	return nil
}

// join makes one file of all parts. When the run is not complete, they stay, for the next one to go
// on from.
func (s *sink) join(cause error) error {
	if s.writer != nil {
		if err := s.endPart(); err != nil {
			return err
		}
	}
	if s.file == nil {
		if err := s.create(); err != nil {
			return err
		}
	}
	var parts []string
	for i := range s.parts {
		parts = append(parts, s.part(i))
	}
	if err := media.Join(parts, s.file.Path()); err != nil {
		s.file.Discard()
		return outfile.Errorf(string(s.o.Path), err)
	}
	if cause != nil {
		return s.file.Abandon()
	}
	if err := s.file.Commit(); err != nil {
		return err
	}
	for _, p := range parts {
		if err := os.Remove(p); err != nil {
			return outfile.Errorf(p, err)
		}
	}
	return nil
}
