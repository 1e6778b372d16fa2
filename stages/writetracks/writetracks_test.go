package writetracks

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// square is an object whose mask is the pixels x0..x1, y0..y1 of an 8x8 frame; empty when x1 < x0.
func square(object, x0, y0, x1, y1 int, logit float32) *token.Tracked {
	logits := make([]float32, 64)
	for i := range logits {
		logits[i] = -1024
		if x, y := i%8, i/8; x >= x0 && x <= x1 && y >= y0 && y <= y1 {
			logits[i] = 5
		}
	}
	return &token.Tracked{Object: object, Logits: logits, Side: 8, Width: 8, Height: 8, ObjectLogit: logit, Appears: logit > 0}
}

func run(t *testing.T, dir string, cause error, results []*token.Result, objects ...int) {
	t.Helper()
	stream := &token.Stream{Width: 8, Height: 8, TimeBase: token.Ratio{Num: 1, Den: 10}, Objects: objects}
	fire, closer, err := open(&graph.Env{}, &Options{Path: graph.OutPath(filepath.Join(dir, "tracks.txt")), Events: graph.OutPath(filepath.Join(dir, "events.jsonl"))})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		r.Header = &token.Header{Stream: stream, Index: i, PTS: int64(i)}
		if err := fire(context.Background(), &In{Result: r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := closer(cause); err != nil {
		t.Fatal(err)
	}
}

func text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestBoxesAreLaSOTLinesFromFrameZero(t *testing.T) {
	dir := t.TempDir()
	run(t, dir, nil, []*token.Result{
		{Objects: []*token.Tracked{square(1, 2, 3, 5, 4, 1)}},
		{Objects: []*token.Tracked{square(1, 2, 3, 5, 4, -3)}}, // does not appear
		{Objects: []*token.Tracked{square(1, 0, 0, 7, 7, 1)}},
	})
	if got, want := text(t, filepath.Join(dir, "tracks.txt")), "2,3,3,1\n0,0,0,0\n0,0,7,7\n"; got != want {
		t.Errorf("tracks.txt is %q, want %q", got, want)
	}
}

func TestSeveralObjectsHaveTheirNumbersInEveryName(t *testing.T) {
	dir := t.TempDir()
	run(t, dir, nil, []*token.Result{ // object 3 comes first
		{Objects: []*token.Tracked{square(3, 2, 3, 5, 4, 1)}},
		{Objects: []*token.Tracked{square(1, 0, 0, 7, 7, 1), square(3, 1, 1, 1, 1, 1)}},
	}, 1, 3)
	if got, want := text(t, filepath.Join(dir, "tracks-3.txt")), "2,3,3,1\n1,1,0,0\n"; got != want {
		t.Errorf("tracks-3.txt is %q, want %q", got, want)
	}
	if got, want := text(t, filepath.Join(dir, "tracks-1.txt")), "0,0,0,0\n0,0,7,7\n"; got != want {
		t.Errorf("tracks-1.txt is %q, want %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "tracks.txt")); err == nil {
		t.Error("tracks.txt is there as well")
	}
}

func TestEventsSaySinceWhenAndWhyAnObjectIsLost(t *testing.T) {
	dir := t.TempDir()
	run(t, dir, nil, []*token.Result{
		{Objects: []*token.Tracked{square(1, 2, 3, 5, 4, 1)}},
		{Objects: []*token.Tracked{square(1, 2, 3, 5, 4, -3)}},
		{Objects: []*token.Tracked{square(1, 2, 3, 1, 4, 2)}},
		{Objects: []*token.Tracked{square(1, 2, 3, 5, 4, 1)}},
	})
	var events []Event
	for line := range strings.Lines(text(t, filepath.Join(dir, "events.jsonl"))) {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	if len(events) != 4 || events[0].Lost != nil || events[3].Lost != nil {
		t.Fatalf("events: %+v", events)
	}
	for i, why := range map[int]string{1: "object logit -3.000 says that it does not appear", 2: "no pixel of the mask is above 0"} {
		if l := events[i].Lost; l == nil || l.Since != 1 || l.Why != why {
			t.Errorf("frame %d: lost %+v, want since 1 because %q", i, l, why)
		}
	}
	if events[2].Time != 0.2 || events[0].Memory != nil || events[0].KFScore != nil {
		t.Errorf("events: %+v", events)
	}
}

func TestAFailedRunLeavesPartialFilesOnly(t *testing.T) {
	dir := t.TempDir()
	run(t, dir, graph.ErrDrained, []*token.Result{{Objects: []*token.Tracked{square(1, 2, 3, 5, 4, 1)}}})
	for _, name := range []string{"tracks.txt", "events.jsonl"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s has its final name", name)
		}
	}
	if got := text(t, filepath.Join(dir, "tracks.partial.txt")); got != "2,3,3,1\n" {
		t.Errorf("tracks.partial.txt is %q", got)
	}
}
