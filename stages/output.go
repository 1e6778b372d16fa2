package stages

import "github.com/seed49bbd0e6/tachi/stages/internal/outfile"

// Output is a file that gets its name when it is complete.
type Output = outfile.File

// CreateOutput opens an output under its temporary name.
func CreateOutput(path string, overwrite bool) (*Output, error) {
	return outfile.Create(path, overwrite)
}

// PartialName is what an output is called until it is complete.
func PartialName(path string) string { return outfile.Partial(path) }
