package prompt

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

func TestASourceReadsItsPromptsAgainstItsStream(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.json")
	text := `{"prompts": [{"object": 4, "frame": 2, "box": [-1,1,9,9]}, {"object": 2, "frame": 5, "box": [1,1,9,9]}]}`
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	prompted := &Options{Prompts: graph.Path(file)}
	for _, c := range []struct {
		what    string
		o       *Options
		model   any
		frames  int
		objects []int
		kind    graph.Kind
		err     string
	}{
		{"enough frames", prompted, nil, 6, []int{2, 4}, 0, ""},
		{"nobody knows how many", prompted, nil, 0, []int{2, 4}, 0, ""},
		{"too few", prompted, nil, 5, nil, graph.BadData, "clip: a prompt names frame 5, but there are 5"},
		{"no prompt and no network", &Options{}, nil, 5, nil, 0, ""},
		{"no prompt for the network", &Options{}, 1, 5, nil, graph.BadConfig, "no prompt: give --box"},
	} {
		var log bytes.Buffer
		stream := &token.Stream{ID: "clip", Width: 20, Height: 20, Frames: c.frames}
		set, err := ForSource(&graph.Env{Log: zerolog.New(&log), Model: c.model}, c.o, stream)
		if c.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), c.err) || graph.KindOf(err) != c.kind {
				t.Errorf("%s: %v, want %s", c.what, err, c.err)
			}
			continue
		}
		if err != nil || !slices.Equal(stream.Objects, c.objects) || (set == nil) != (c.objects == nil) {
			t.Errorf("%s: set %v, objects %v, want %v: %v", c.what, set, stream.Objects, c.objects, err)
		}
		if warned := strings.Count(log.String(), "reaches outside"); warned != min(len(c.objects), 1) {
			t.Errorf("%s: the log says %s", c.what, log.String())
		}
		prompts, objects := set.At(2)
		if c.objects != nil != (len(prompts) == 1 && slices.Equal(objects, []int{4})) {
			t.Errorf("%s: frame 2 has prompts %v and objects %v", c.what, prompts, objects)
		}
	}
	if n, p := prompted.Tally(20, 20); n != 2 || p != (graph.Prompts{Most: 1, Others: 1, Kept: 1}) {
		t.Errorf("%d objects and %+v", n, p)
	}
	if n, p := (&Options{Prompts: "none.json"}).Tally(20, 20); n != 1 || p != (graph.Prompts{}) {
		t.Errorf("of a file that is not there: %d objects and %+v", n, p)
	}
}
