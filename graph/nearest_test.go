package graph

import "testing"

func TestTheNearestNameIsOffered(t *testing.T) {
	names := []string{"encode", "decode", "memory-attend", "x"}
	for word, want := range map[string]string{
		"encod": "encode", "endoce": "encode", "decoder": "decode", "memory_attend": "memory-attend", "memoryattend": "memory-attend",
		"frobnicate": "", "": "", "y": "x",
	} {
		if got, _ := Nearest(word, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
