// Package output names and creates the files that a run writes.
package output

import (
	"path/filepath"

	"github.com/seed49bbd0e6/tachi/stages/internal/outfile"
	"github.com/seed49bbd0e6/tachi/stages/writetracks"
)

// File gets its name when it is complete.
type File = outfile.File

// Create opens a file under its temporary name.
func Create(path string, overwrite bool) (*File, error) { return outfile.Create(path, overwrite) }

// Partial returns what a file is called until it is complete.
func Partial(path string) string { return outfile.Partial(path) }

// Names lists the files that a stage may write for one of its output paths: with several objects
// write-tracks has one for each.
func Names(stage, path string) []string {
	if stage == writetracks.Stage.Name && filepath.Ext(path) != ".jsonl" {
		return writetracks.Names(path)
	}
	return []string{path}
}
