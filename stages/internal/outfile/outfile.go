// Package outfile gives outputs their names only when they are complete.
//
// A file is written beside its final name, as overlay.partial.mp4 for overlay.mp4, and renamed when
// it is whole: whoever finds overlay.mp4 may trust it. The data is synced before the rename, so
// that the promise survives a power cut. What an interrupted run leaves is a .partial, which the
// next run overwrites.
//
// Every error of this package is a graph.BadOutput that begins with the path as the user wrote it.
package outfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/seed49bbd0e6/tachi/graph"
)

// File is an output under its temporary name. Write to it, or let something else write to Path.
type File struct {
	*os.File
	final, partial string
}

// Check reports whether Create would succeed as far as that can be told without touching anything.
func Check(path string, overwrite bool) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return Errorf(path, err)
	case info.IsDir():
		return graph.Errorf(graph.BadOutput, "%s is a folder", path)
	case !info.Mode().IsRegular(): // the rename would put a file in the place of a device
		return graph.Errorf(graph.BadOutput, "%s is not a plain file", path)
	case !overwrite:
		return graph.Errorf(graph.BadOutput, "%s exists: give --overwrite", path)
	}
	return nil
}

// Create makes missing parent folders and opens the temporary file, emptying a stale one.
// An existing output is refused unless overwrite is set; it stays untouched until Commit.
func Create(path string, overwrite bool) (*File, error) {
	if err := Check(path, overwrite); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, Errorf(path, err)
	}
	partial := Partial(path)
	f, err := os.OpenFile(partial, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return nil, Errorf(path, err)
	}
	return &File{File: f, final: path, partial: partial}, nil
}

// Reopen opens the temporary file that an earlier run has left and cuts it to the size that it had
// at a checkpoint.
func Reopen(path string, size int64, overwrite bool) (*File, error) {
	if err := Check(path, overwrite); err != nil {
		return nil, err
	}
	partial := Partial(path)
	f, err := os.OpenFile(partial, os.O_RDWR, 0)
	if err != nil {
		return nil, Errorf(partial, err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() < size {
		err = fmt.Errorf("it has %d bytes, and had %d at the checkpoint", info.Size(), size)
	}
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, Errorf(partial, err)
	}
	return &File{File: f, final: path, partial: partial}, nil
}

// Committed reports whether an earlier run already renamed this output to its final name. That run
// was cut off later, and what it would write again is there.
func Committed(path string) bool {
	_, err := os.Lstat(path)
	_, partial := os.Lstat(Partial(path))
	return err == nil && errors.Is(partial, fs.ErrNotExist)
}

// Sync brings what was written to the disk and returns the size.
func (f *File) Sync() (size int64, err error) {
	size, err = f.Seek(0, io.SeekCurrent)
	if err == nil {
		err = f.File.Sync()
	}
	if err != nil {
		return 0, Errorf(f.final, err)
	}
	return size, nil
}

// SyncPath brings a closed file to the disk.
func SyncPath(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Path is the temporary name, with the final name's extension.
func (f *File) Path() string { return f.partial }

// Write writes to the temporary file.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	if err != nil {
		err = Errorf(f.final, err)
	}
	return n, err
}

// Commit syncs the file and gives it its final name.
func (f *File) Commit() error {
	if err := f.File.Sync(); err != nil {
		f.Close()
		return Errorf(f.final, err)
	}
	if err := f.Close(); err != nil {
		return Errorf(f.final, err)
	}
	return rename(f.partial, f.final)
}

// Abandon closes the file and leaves it under its temporary name.
func (f *File) Abandon() error {
	if err := f.Close(); err != nil {
		return Errorf(f.final, err)
	}
	return nil
}

// Discard closes the file and removes it: nothing worth keeping was written.
func (f *File) Discard() {
	f.Close()
	os.Remove(f.partial)
}

// Partial returns the temporary name of an output: clip.partial.mp4 for clip.mp4.
func Partial(path string) string {
	ext := filepath.Ext(path)
	if filepath.Base(path) == ext { // a dot file has no extension
		ext = ""
	}
	return strings.TrimSuffix(path, ext) + ".partial" + ext
}

// Errorf makes a BadOutput of an error that writing the output path met. The paths that the os
// package names are left out, because they may be temporary ones.
func Errorf(path string, err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	} else if l, ok := errors.AsType[*os.LinkError](err); ok {
		err = l.Err
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return graph.Errorf(graph.BadOutput, "%s: the disk is full", path)
	case errors.Is(err, syscall.ENOTDIR):
		return graph.Errorf(graph.BadOutput, "%s: a file stands where a folder is needed", path)
	}
	return graph.Errorf(graph.BadOutput, "%s: %w", path, err)
}

// rename moves within a folder and syncs the folder, so that the new name is as durable as the
// data.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return Errorf(to, err)
	}
	if d, err := os.Open(filepath.Dir(to)); err == nil {
		d.Sync() // some file systems refuse to sync a folder; the rename itself has happened
		d.Close()
	}
	return nil
}
