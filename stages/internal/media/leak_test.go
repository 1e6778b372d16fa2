//go:build !nomedia && linux

package media

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
)

// resident returns the program's resident memory in bytes, after returning what Go no longer needs.
func resident(t *testing.T) int {
	t.Helper()
	debug.FreeOSMemory()
	var total, pages int
	b, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(b), &total, &pages)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

func TestReadersAndWritersFreeTheirMemory(t *testing.T) {
	to := filepath.Join(t.TempDir(), "copy.mp4")
	round := func(n int) {
		for range n {
			r, err := Open("testdata/plain.mp4", ReadOptions{Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := readAll(t, r); r.Stream().Frames != 30 {
				t.Fatal(err)
			}
			r.Close()
		}
		t.Run("copy", func(t *testing.T) { copyClip(t, "testdata/turned90.mp4", to) })
		if _, err := Open("testdata/make.sh", ReadOptions{}); err == nil {
			t.Fatal("a script opened")
		}
	}
	round(20) // pools fill, libraries set themselves up
	// Allocators come and go by a few MiB; what leaks grows every time. All the frames of a batch
	// are 39 MiB, the converters of its readers 10 MiB.
	var grown [3]int
	for i := range grown {
		before := resident(t)
		for range 6 {
			round(12)
		}
		grown[i] = (resident(t) - before) >> 10
	}
	t.Logf("%d KiB more are resident after 2160 frames each", grown)
	if slices.Min(grown[:]) > 4<<10 {
		t.Error("memory grows")
	}
}
