// Package mark marks PTX with the sources that it was made of, so that it can be seen to be stale.
package mark

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Of returns the first line of PTX made of the *.cu and *.cuh files of a folder.
func Of(dir fs.FS) (string, error) {
	var names []string
	for _, pattern := range []string{"*.cu", "*.cuh"} {
		found, err := fs.Glob(dir, pattern)
		if err != nil {
			return "", err
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	h := sha256.New()
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", name, len(text))
		h.Write(text)
	}
	return fmt.Sprintf("// sources: sha256 %x", h.Sum(nil)), nil
}

// In returns the mark that PTX carries, "" for none.
func In(ptx string) string {
	line, _, _ := strings.Cut(ptx, "\n")
	if !strings.HasPrefix(line, "// sources: ") {
		return ""
	}
	return line
}
