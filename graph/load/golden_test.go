package load

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/analyze"
	"github.com/seed49bbd0e6/tachi/graph/describe"
	"github.com/seed49bbd0e6/tachi/graph/internal/graphtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Each testdata/*.txtar holds files and what loading pipeline.toml gives: "plan", or "errors". A
// file "args" has overrides, one a line: "-i clip.mp4", "-o dir", "--set key=value", "--device d",
// "--variant v", "--weights w"; and "size WxH" to resolve the plan for.
func TestPipelinesGiveTheirGoldenText(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		file, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	t.Setenv("TACHI_TEST_CLIP", "from-env.mp4")
	var args string
	want := map[string]string{}
	for _, f := range ar.Files {
		switch f.Name {
		case "plan", "errors", "json":
			want[f.Name] = string(f.Data)
		case "args":
			args = string(f.Data)
			fallthrough
		default:
			if err := os.MkdirAll(filepath.Dir(f.Name), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(f.Name, f.Data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	o, width, height := overrides(t, args)
	got := map[string]string{}
	p, err := File("pipeline.toml", graphtest.Suite(), o)
	if err == nil {
		p, err = analyze.Resolve(p, analyze.Sizing{Width: width, Height: height})
	}
	if err != nil {
		if graph.KindOf(err) != graph.BadConfig {
			t.Errorf("kind of error is %d", graph.KindOf(err))
		}
		got["errors"] = err.Error() + "\n"
	} else {
		got["plan"] = planText(t, p)
	}
	if diff := cmp.Diff(want, got); diff != "" && !*update {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if *update {
		ar.Files = slices.DeleteFunc(ar.Files, func(f txtar.File) bool { return f.Name == "plan" || f.Name == "errors" })
		for _, name := range []string{"plan", "errors"} {
			if s, ok := got[name]; ok {
				ar.Files = append(ar.Files, txtar.File{Name: name, Data: []byte(s)})
			}
		}
		if err := os.WriteFile(file, txtar.Format(ar), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func overrides(t *testing.T, args string) (o Overrides, width, height int) {
	for line := range strings.Lines(args) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		switch key {
		case "-i":
			o.Input = value
		case "-o":
			o.Out = value
		case "--set":
			o.Set = append(o.Set, value)
		case "--device":
			o.Device = value
		case "--variant":
			o.Variant = value
		case "--weights":
			o.Weights = value
		case "--box":
			o.Source = map[string]any{"box": []float64{1, 2, 3, 4}}
		case "size":
			w, h, _ := strings.Cut(value, "x")
			width, height = atoi(t, w), atoi(t, h)
		default:
			t.Fatalf("args: %q", line)
		}
	}
	return o, width, height
}

func planText(t *testing.T, p *graph.Plan) string {
	var b bytes.Buffer
	if err := describe.WriteText(&b, p); err != nil {
		t.Fatal(err)
	}
	if m := p.Model; m.Set {
		b.WriteString("model " + m.Variant + " weights " + m.Weights + "\n")
		for _, k := range sortedKeys(m.Config) {
			b.WriteString("  " + k + " = " + text(m.Config[k]) + "\n")
		}
	}
	for _, n := range p.Nodes {
		if s := text(n.Options); s != "{}" {
			b.WriteString(n.ID + " " + s + "\n")
		}
	}
	return b.String()
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// text is a value in one line.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
