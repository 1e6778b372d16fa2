//go:build !nomedia

package pipelines

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
)

// The pipelines in the program are those of this folder, and work from any other.
func TestBuiltInPipelinesWorkFromAnyFolder(t *testing.T) {
	files, err := filepath.Glob("*.toml")
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = strings.TrimSuffix(files[i], ".toml")
	}
	if !slices.Equal(files, Names()) {
		t.Errorf("in the program: %v, in the folder: %v", Names(), files)
	}
	clip, err := filepath.Abs("demo/clip.mp4")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	p, err := Load("samurai", Overrides{Input: clip, Source: Box(146, 100, 62, 79), Set: []string{"stages.decode.frames=2"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(t.Context(), Options{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"overlay.mp4", "tracks.txt", "events.jsonl"} {
		if _, err := os.Stat(filepath.Join("out", name)); err != nil {
			t.Error(err)
		}
	}
	if p, err := Load("sam2", Overrides{Input: clip}); err != nil || p.Graph.Source().ID != "decode" {
		t.Error("a pipeline that extends another:", err)
	}
	if _, err := Load("bench", Overrides{}); err != nil {
		t.Error("a pipeline that needs no video:", err)
	}
	if _, err := Load("samurai", Overrides{}); graph.KindOf(err) != graph.BadUsage || !strings.Contains(err.Error(), "-i VIDEO") {
		t.Error("without a video:", err)
	}
	if _, err := Load("samurei", Overrides{}); err == nil || !strings.Contains(err.Error(), `did you mean "samurai"?`) {
		t.Error("with a slip:", err)
	}
}

// What a caller does with a result decides: its error ends the run and everything is given back.
func TestAnErrorOfTheCallerEndsTheRun(t *testing.T) {
	p, err := Load("bench.toml", Overrides{Set: []string{"stages.source.width=96", "stages.source.height=64", "stages.source.frames=12", "model.config.image_size=64"}})
	if err != nil {
		t.Fatal(err)
	}
	enough, seen := errors.New("enough"), 0
	plan := planned(t, p, Options{Results: func(r Result) error {
		if r.Frame != seen {
			t.Errorf("frame %d came as number %d", r.Frame, seen)
		}
		if seen++; seen == 3 {
			return enough
		}
		return nil
	}})
	if _, err := p.Run(context.Background(), plan.options); !errors.Is(err, enough) {
		t.Errorf("error %v", err)
	}
	if seen != 3 {
		t.Errorf("%d results", seen)
	}
	if err := plan.Close(); err != nil {
		t.Error(err)
	}
}

// A model on a device serves pipelines that ask for the same one, and no other.
func TestASharedModelIsThatOfThePipeline(t *testing.T) {
	small := func(set ...string) *Pipeline {
		p, err := Load("bench.toml", Overrides{Set: append(set, "stages.source.width=96", "stages.source.height=64", "stages.source.frames=2")})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	model, err := small("model.config.image_size=64").OpenModel(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := small("model.config.image_size=64").Run(t.Context(), Options{Model: model}); err != nil {
			t.Error(err)
		}
	}
	if _, err := small("model.config.image_size=128").Run(t.Context(), Options{Model: model}); graph.KindOf(err) != graph.BadConfig {
		t.Errorf("error %v", err)
	}
	if err := model.Close(); err != nil {
		t.Error(err) // says what was not returned
	}
}

// With several objects the tracks of each have a number in their name: another output must not have
// that name.
func TestNumberedTracksDoNotReplaceAnotherOutput(t *testing.T) {
	for other, clash := range map[string]bool{"tracks-1.txt": true, "tracks-7.txt": true, "tracks-x.txt": false, "tracks-1.jsonl": false} {
		_, err := Load("samurai.toml", Overrides{Set: []string{"stages.tracks.path=tracks.txt", "stages.tracks.events=" + other}})
		if clash != (err != nil) || clash && !strings.Contains(err.Error(), "with several objects both write") {
			t.Errorf("%s: error %v", other, err)
		}
	}
}
