package load

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/internal/graphtest"
	"github.com/seed49bbd0e6/tachi/graph/tree"
)

const small = `[model]
variant = "nano"
[model.config]
image_encoder.trunk.embed_dim = 24
"memory_attention.num_layers" = 2
[stages.decode]
stage = "read"
path = "clip.mp4"
box = [1, 2, 3, 4]
[stages.look]
stage = "dump"
inputs = { a = "decode.frame" }
`

func TestOverridesGiveOptionsAsGoValues(t *testing.T) {
	points := [][]float64{{1, 2, 1}}
	p, err := Bytes("pipelines/p.toml", []byte(small), graphtest.Suite(), Overrides{
		Input:  "a/../in.mp4",
		Source: map[string]any{"box": []int{5, 6, 7, 8}, "points": points, "mask": graph.Path("m.png")},
		Set:    []string{"stages.decode.box=[0.5, 1, 1, 1]"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &graphtest.ReadOptions{Path: "in.mp4", Box: []float64{0.5, 1, 1, 1}, Points: points, Mask: "m.png"}
	if got := p.Source().Options; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPathsThatAreNoFilesStayAsTheyAre(t *testing.T) {
	for path, want := range map[string]string{
		"clip.mp4": "pipelines/clip.mp4", "../x/clip.mp4": "x/clip.mp4", "/a/b.mp4": "/a/b.mp4", "-": "-",
		"rtsp://host/a": "rtsp://host/a", "://odd": "pipelines/:/odd", "": "",
	} {
		text := strings.Replace(small, "clip.mp4", path, 1)
		p, err := Bytes("pipelines/p.toml", []byte(text), graphtest.Suite(), Overrides{})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(p.Source().Options.(*graphtest.ReadOptions).Path); got != want {
			t.Errorf("%q becomes %q, want %q", path, got, want)
		}
	}
}

func TestWeightsAreAPathUnlessEmbedded(t *testing.T) {
	for weights, want := range map[string]string{"embedded": "embedded", "w.pt": "pipelines/w.pt", "/w.pt": "/w.pt"} {
		text := strings.Replace(small, `"nano"`, fmt.Sprintf("\"nano\"\nweights = %q", weights), 1)
		p, err := Bytes("pipelines/p.toml", []byte(text), graphtest.Suite(), Overrides{})
		if err != nil {
			t.Fatal(err)
		}
		if p.Model.Weights != want {
			t.Errorf("%q becomes %q, want %q", weights, p.Model.Weights, want)
		}
	}
}

func TestLaterChecksPointIntoTheFile(t *testing.T) {
	p, err := Bytes("p.toml", []byte(small), graphtest.Suite(), Overrides{Variant: "tiny"})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"model.config.image_encoder.trunk.embed_dim": "p.toml:4:33: error: no\n   4 | image_encoder.trunk.embed_dim = 24\n     |                                 ^^\n",
		"model.config.memory_attention.num_layers":   "p.toml:5:33: error: no\n   5 | \"memory_attention.num_layers\" = 2\n     |                                 ^\n",
		"model.config.nothing":                       "p.toml:3:2: error: no\n   3 | [model.config]\n     |  ^^^^^^^^^^^^\n",
		"stages.decode.box":                          "p.toml:9:7: error: no\n   9 | box = [1, 2, 3, 4]\n     |       ^^^^^^^^^^^^\n",
		"model.variant":                              "--variant: error: no\n",
	} {
		if got := p.Complain(key, "no").String(); got != want {
			t.Errorf("%s:\n%swant\n%s", key, got, want)
		}
	}
	if got := (&graph.Plan{File: "made.toml"}).Complain("a.b", "no").String(); got != "made.toml: error: no\n" {
		t.Error(got)
	}
}

func TestDiagnosticsAreConfigurationErrors(t *testing.T) {
	_, err := Bytes("p.toml", nil, graphtest.Suite(), Overrides{})
	if graph.KindOf(fmt.Errorf("run: %w", err)) != graph.BadConfig {
		t.Errorf("kind %d of %v", graph.KindOf(err), err)
	}
	if graph.KindOf(errors.New("x")) != graph.RunFailed || graph.KindOf(graph.Errorf(graph.BadData, "x")) != graph.BadData {
		t.Error("other errors keep their kinds")
	}
}

func TestALongLineIsCutAroundThePlace(t *testing.T) {
	text := "x = [" + strings.Repeat("1, ", 2000) + "1]\n[stages.a]\nstage = 'noise'\nb = '\x1b[31m" + strings.Repeat("z", 500) + "'"
	_, err := Bytes("p.toml", []byte(strings.ReplaceAll(text, "\x1b", `\u001b`)), graphtest.Suite(), Overrides{})
	for line := range strings.Lines(err.Error()) {
		if len(line) > 2*tree.ExcerptWidth+40 {
			t.Errorf("%d characters: %.60s...", len(line), line)
		}
		if strings.ContainsRune(line, '\x1b') {
			t.Errorf("an escape reaches the terminal: %q", line)
		}
	}
}

func TestByteSizesAreRead(t *testing.T) {
	for text, want := range map[string]int64{
		`4096`: 4096, `"2GiB"`: 2 << 30, `"1.5 GiB"`: 3 << 29, `"300mb"`: 300e6, `"17"`: 17, `"auto"`: 0,
		`"0"`: -1, `-1`: -1, `"GiB"`: -1, `"1 parsec"`: -1, `"9e9TiB"`: -1, `"99999999999TiB"`: -1, `1.5`: -1,
	} {
		p, err := Bytes("p.toml", []byte(small+"[pipeline]\nmemory = "+text), graphtest.Suite(), Overrides{})
		switch {
		case want < 0 && err == nil:
			t.Errorf("%s is read as %d", text, p.Pipeline.Memory)
		case want >= 0 && err != nil:
			t.Errorf("%s: %v", text, err)
		case want >= 0 && p.Pipeline.Memory != want:
			t.Errorf("%s is read as %d, want %d", text, p.Pipeline.Memory, want)
		}
	}
}

// A table that extends swaps a stage, and what it says itself must fit the new one.
func TestASwappedStageIsStrictAboutItsOwnKeys(t *testing.T) {
	text := strings.Replace(small, `inputs = { a = "decode.frame" }`, "inputs = { a = \"decode.frame\" }\nquality = 3", 1)
	_, err := Bytes("p.toml", []byte(text), graphtest.Suite(), Overrides{Set: []string{"stages.decode.stage=noise"}})
	if err == nil || !strings.Contains(err.Error(), `stage "look" (dump) has no option "quality"`) || strings.Contains(err.Error(), "box") {
		t.Errorf("%v", err)
	}
}

func TestDeepNestingIsRefusedAtOnce(t *testing.T) {
	n := 10000
	for _, text := range []string{
		"a = " + strings.Repeat("[", n),
		"a = " + strings.Repeat("[", n) + strings.Repeat("]", n),
		"a = " + strings.Repeat("{a=", n) + "1" + strings.Repeat("}", n),
		strings.Repeat("a.", n) + "a = 1",
		"[" + strings.Repeat("a.", n) + "a]",
	} {
		_, err := Bytes("deep.toml", []byte(text), graphtest.Suite(), Overrides{})
		if err == nil || !strings.Contains(err.Error(), "more than 32 levels") {
			t.Errorf("%.20s...: %.80v", text, err)
		}
	}
}
