// Package infile reads the files that a user names.
package infile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/seed49bbd0e6/tachi/graph"
)

// Files that a user names are read here, so that each mistake has the same words everywhere. A pipe
// or a device under the name of a file would make the program wait for ever or take all memory: it
// is refused before it is opened. Where a pipe makes sense it is read once and kept, because what
// it brought does not come again.

// Regular returns an error unless the path names a regular file, perhaps through links.
func Regular(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return bare(err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("is %s, not a regular file", kindOf(info.Mode()))
	}
	return nil
}

// bare takes the path off an error of the os package.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// ReadFile reads a regular file of at most so many bytes. Errors begin with the path and are of
// kind BadData.
func ReadFile(path string, most int) ([]byte, error) {
	err := Regular(path)
	var data []byte
	if err == nil {
		data, err = readAll(path, most)
	}
	if err != nil {
		return nil, graph.Errorf(graph.BadData, "%s: %w", path, err)
	}
	return data, nil
}

func readAll(path string, most int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, bare(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, bare(err)
	}
	if len(data) > most {
		return nil, fmt.Errorf("more than %s", graph.Size(most))
	}
	return data, nil
}

// pipes holds what pipes have brought, by path.
var pipes struct {
	sync.Mutex
	kept map[string][]byte
}

// ReadOnce is ReadFile that takes a pipe as well, such as a shell's <(...): it is read once, and
// what it brought is returned from then on.
func ReadOnce(path string, most int) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		return ReadFile(path, most)
	}
	pipes.Lock()
	defer pipes.Unlock()
	if data, ok := pipes.kept[path]; ok {
		return data, nil
	}
	data, err := readAll(path, most)
	if err != nil {
		return nil, graph.Errorf(graph.BadData, "%s: %w", path, err)
	}
	if pipes.kept == nil {
		pipes.kept = map[string][]byte{}
	}
	pipes.kept[path] = data
	return data, nil
}

// Text returns the bytes of a text file without the byte order mark that some editors put before
// them. Text in UTF-16 and files that are no text are errors that say what is there.
func Text(data []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return nil, errors.New("is UTF-16 text: save it as UTF-8")
	case bytes.IndexByte(data, 0) >= 0:
		what := Content(data)
		if what == "" || what == "text" {
			what = "binary data"
		}
		return nil, fmt.Errorf("is %s, not text", what)
	}
	return bytes.TrimPrefix(data, []byte("\uFEFF")), nil
}

// Brief quotes text of a user's file for a message: at most 40 characters, and nothing that a
// terminal would not show.
func Brief(text string) string {
	short := []rune(graph.Printable(strings.TrimSpace(strings.ToValidUTF8(text[:min(len(text), 400)], "\uFFFD"))))
	if len(short) <= brief && len(text) <= 400 {
		return `"` + string(short) + `"`
	}
	return `"` + string(short[:min(len(short), brief)]) + `..."`
}

const brief = 40
