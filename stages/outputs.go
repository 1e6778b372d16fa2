package stages

import (
	"path/filepath"

	"github.com/seed49bbd0e6/tachi/stages/writetracks"
)

// OutputNames lists the files that a stage may write for one of its output paths: with several objects write-tracks has
// one for each.
func OutputNames(stage, path string) []string {
	if stage == writetracks.Stage.Name && filepath.Ext(path) != ".jsonl" {
		return writetracks.Names(path)
	}
	return []string{path}
}
