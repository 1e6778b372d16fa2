package eval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The boxes of several objects are in a file each, and one of them is scored by its number.
func TestTheTracksOfOneObjectOfSeveralAreScored(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("tracks-1.txt", "0,0,10,10\n0,0,10,10\n0,0,10,10\n")
	write("tracks-2.txt", "50,50,10,10\n50,50,10,10\n50,50,10,10\n")
	truth := write("truth.txt", "50,50,10,10\n50,50,10,10\n50,50,10,10\n")
	for object, right := range map[int]bool{1: false, 2: true} {
		scores, err := Files(truth, dir, object)
		if err != nil {
			t.Fatal(err)
		}
		if p := *scores[object].Precision; (p == 1) != right {
			t.Errorf("object %d: precision %v", object, p)
		}
	}
	if _, err := Files(truth, dir, 0); err == nil || !strings.Contains(err.Error(), "has the tracks of 2 objects, say which one with --object N") {
		t.Errorf("error %v", err)
	}
}
