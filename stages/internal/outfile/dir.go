package outfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed49bbd0e6/tachi/graph"
)

// Dir is an output folder under its temporary name.
type Dir struct {
	final, partial string
	ext            string // of the files in it
	overwrite      bool
}

// CheckDir reports whether CreateDir would succeed as far as that can be told without touching
// anything. An empty folder is not an output yet and may be taken. A folder is replaced whole, so
// what holds anything else than files with the extension ext is not an output either, and is never
// taken.
func CheckDir(path, ext string, overwrite bool) error {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		if info, statErr := os.Stat(path); statErr == nil && !info.IsDir() {
			return graph.Errorf(graph.BadOutput, "%s is not a folder", path)
		}
		return Errorf(path, err)
	case len(entries) > 0 && !overwrite:
		return graph.Errorf(graph.BadOutput, "%s exists: give --overwrite", path)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || filepath.Ext(e.Name()) != ext {
			return graph.Errorf(graph.BadOutput, "%s holds %s, so it is no folder of %s files to replace: name another one", path, e.Name(), ext)
		}
	}
	return nil
}

// CreateDir makes an empty temporary folder for files with the extension ext, removing a stale one.
func CreateDir(path, ext string, overwrite bool) (*Dir, error) {
	path = filepath.Clean(path)
	if err := CheckDir(path, ext, overwrite); err != nil {
		return nil, err
	}
	d := &Dir{final: path, partial: path + ".partial", ext: ext, overwrite: overwrite}
	if err := os.RemoveAll(d.partial); err != nil {
		return nil, Errorf(path, err)
	}
	if err := os.MkdirAll(d.partial, 0o777); err != nil {
		return nil, Errorf(path, err)
	}
	return d, nil
}

// ReopenDir takes the temporary folder that an earlier run has left.
func ReopenDir(path, ext string, overwrite bool) (*Dir, error) {
	path = filepath.Clean(path)
	if err := CheckDir(path, ext, overwrite); err != nil {
		return nil, err
	}
	d := &Dir{final: path, partial: path + ".partial", ext: ext, overwrite: overwrite}
	if _, err := os.ReadDir(d.partial); err != nil {
		return nil, Errorf(d.partial, err)
	}
	return d, nil
}

// DirCommitted is Committed for a folder.
func DirCommitted(path string) bool {
	path = filepath.Clean(path)
	_, err := os.Lstat(path)
	_, partial := os.Lstat(path + ".partial")
	return err == nil && errors.Is(partial, fs.ErrNotExist)
}

// Path is the temporary name, to write files into.
func (d *Dir) Path() string { return d.partial }

// Commit gives the folder its final name. An output that it replaces is removed after the new one
// stands.
func (d *Dir) Commit() error {
	if err := CheckDir(d.final, d.ext, d.overwrite); err != nil {
		return err
	}
	old := d.final + ".old.partial"
	if err := os.Rename(d.final, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Errorf(d.final, err)
	}
	if err := rename(d.partial, d.final); err != nil {
		return err
	}
	if err := os.RemoveAll(old); err != nil {
		return Errorf(old, err)
	}
	return nil
}

// Discard removes the folder: nothing worth keeping was written.
func (d *Dir) Discard() { os.RemoveAll(d.partial) }
