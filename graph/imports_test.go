package graph

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The direction of imports within the module. The first rule whose folder holds a package is the
// one that counts. A package may import what its rule lists, and always folders below itself. Tests
// follow the same rules, except where a rule lists more for them.
var importRules = []struct {
	folder string   // "x" is the folder itself and everything below it
	may    []string // folders of the module it may import; "x/" means what lies below x
	tests  []string // more, in _test.go files
	why    string
}{
	{"kernels/kerneltest", []string{"kernels"}, nil,
		"conformance knows ops and devices by their interface; a device passes itself in"},
	{"kernels/cpu", []string{"kernels", "kernels/internal/"}, []string{"kernels/kerneltest", "kernels/null"},
		"a device knows ops and nothing of graphs, networks or other devices"},
	{"kernels/cuda", []string{"kernels", "kernels/internal/"}, []string{"kernels/kerneltest", "kernels/cpu", "kernels/null"},
		"a device knows ops and nothing of graphs, networks or other devices; tests compare it with the cpu"},
	{"kernels/internal", nil, nil,
		"what devices share stands below them"},
	{"kernels/null", []string{"kernels"}, []string{"kernels/kerneltest"},
		"a device knows ops and nothing of graphs, networks or other devices"},
	{"kernels/weights", []string{"kernels"}, nil,
		"files of tensors know tensors, not whose they are"},
	{"kernels", nil, []string{"kernels/"},
		"ops and tensors stand below everything"},
	{"graph/infile", []string{"graph"}, nil,
		"reading a file that a user names needs words for errors, and nothing else"},
	{"graph/tree", []string{"graph", "graph/infile"}, nil,
		"reading a file needs no stage and no plan"},
	{"graph/load", []string{"graph", "graph/tree", "kernels"}, []string{"graph/analyze", "graph/describe", "graph/internal/"},
		"checking a file makes a plan, and says nothing of what the plan will do"},
	{"graph/analyze", []string{"graph", "kernels"}, []string{"graph/load", "graph/describe", "graph/internal/"},
		"a plan is analysed by its graph alone, wherever it came from"},
	{"graph/describe", []string{"graph"}, []string{"graph/analyze", "graph/load", "graph/internal/"},
		"what is written of stages and plans is derived from their values"},
	{"graph/internal", []string{"graph"}, nil,
		"stages for tests"},
	{"graph", []string{"kernels"}, nil,
		"a plan is made of the values it is given: naming a stage here would need a change here for each new one"},
	{"runtime/gostreams", []string{"graph"}, []string{"runtime"},
		"components of another library become stages; the engine does not know them from others"},
	{"runtime", []string{"graph", "kernels"}, []string{"kernels/null", "graph/analyze"},
		"the engine moves tokens without knowing what they are: naming a stage or an op here would make it part of one model"},
	{"stages/internal/testdevice", []string{"kernels", "kernels/cpu", "kernels/cuda"}, nil,
		"what opens the device that tests of stages and of the network run on; nothing but tests imports it"},
	{"stages/internal", []string{"stages/internal/", "kernels", "kernels/weights", "graph", "graph/infile"}, []string{"kernels/"},
		"shared parts of stages: they see what stages see, and no stage; tests run the network on a device"},
	{"stages/model", []string{"stages/internal/", "kernels", "kernels/weights", "graph", "graph/infile", "pipelines/demo"}, []string{"kernels/"},
		"loads the network for stages; knows no stage"},
	{"stages/results", []string{"stages/internal/", "graph"}, nil,
		"hands out what any stage finds; knows no stage"},
	{"stages/prompts", []string{"stages/internal/"}, nil,
		"reads prompts as they are written on a command line"},
	{"stages/eval", []string{"stages/internal/", "stages/results", "stages/synthetic", "graph", "graph/infile"}, []string{"kernels/"},
		"scores pipelines on made-up clips: names the source that draws them"},
	{"stages/frame", []string{"stages/internal/", "stages/decode", "stages/images", "graph", "graph/infile"}, nil,
		"reads one frame: names the sources that can"},
	{"stages/synth", []string{"stages/internal/", "stages/eval", "stages/synthetic", "stages/writemasks", "graph"}, nil,
		"writes made-up clips: names the source that draws them"},
	{"stages/output", []string{"stages/internal/", "stages/writetracks"}, nil,
		"knows which files a stage writes"},
	{"stages", []string{"stages/internal/", "kernels", "kernels/weights", "graph", "graph/infile", "pipelines/demo"}, []string{"kernels/", "graph/load", "stages/model"},
		"a stage is a function of its tokens: it does not see the engine that fires it, and never another stage, so that each can be swapped alone"},
	{"cmd", []string{""}, nil,
		"the command is flags and printing around pipelines"},
	{"bench", []string{""}, nil,
		"benchmarks wire devices, stages and runtime together"},
	{"pipelines/demo", nil, nil,
		"the clip and the network of the demo are data"},
	{"pipelines", []string{"stages", "stages/model", "stages/output", "stages/results", "graph", "graph/", "runtime", "kernels", "kernels/"}, nil,
		"the Go API wires devices, stages and runtime together; a stage is known to it by the list alone"},
}

// stageList is the one package outside cmd and bench that imports every stage: the list of them.
const stageList = "stages"

func TestImportsGoDownOnly(t *testing.T) {
	root, module := moduleRoot(t)
	for _, p := range importsOf(t, root, module) {
		if why := forbidden(p); why != "" {
			t.Errorf("%s imports %q: %s", p.file, p.path, why)
		}
	}
}

// An import rule that nothing can break would be no rule.
func TestTheImportRulesForbid(t *testing.T) {
	for _, c := range []struct {
		file, path string
		ok         bool
	}{
		{"graph/plan.go", "kernels", true},
		{"graph/plan.go", "kernels/cpu", false},
		{"graph/plan.go", "runtime", false},
		{"graph/plan_test.go", "stages/h2d", false},
		{"graph/plan.go", "graph/load", false},
		{"graph/tree/tree.go", "graph/load", false},
		{"graph/load/wire.go", "graph/tree", true},
		{"graph/load/wire.go", "graph/analyze", false},
		{"graph/analyze/bound.go", "graph/describe", false},
		{"kernels/op.go", "graph", false},
		{"kernels/op_test.go", "kernels/cpu", true},
		{"kernels/cpu/gemm.go", "kernels/null", false},
		{"kernels/cpu/gemm.go", "kernels/cpu/pool", true},
		{"runtime/run.go", "graph", true},
		{"runtime/run.go", "stages", false},
		{"runtime/gostreams/gostreams.go", "runtime", false},
		{"runtime/run_test.go", "stages/null", false},
		{"stages/stages.go", "stages/h2d", true},
		{"stages/stages.go", "runtime", false},
		{"stages/h2d/h2d.go", "stages/internal/token", true},
		{"stages/h2d/h2d.go", "stages/decode", false},
		{"stages/h2d/h2d.go", "stages", false},
		{"stages/h2d/h2d.go", "runtime", false},
		{"stages/h2d/h2d.go", "kernels/cpu", false},
		{"stages/h2d/h2d_test.go", "kernels/cpu", true},
		{"stages/internal/sam2/model.go", "stages/h2d", false},
		{"stages/eval/eval.go", "stages/synthetic", true},
		{"stages/model/model.go", "stages/h2d", false},
		{"pipelines/plan.go", "runtime", true},
		{"pipelines/plan.go", "stages/h2d", false},
		{"pipelines/demo/demo.go", "graph", false},
		{"cmd/tachi/main.go", "runtime", true},
		{"bench/run.go", "stages", true},
		{"elsewhere/x.go", "graph", false},
	} {
		why := forbidden(use{file: c.file, path: c.path})
		if (why == "") != c.ok {
			t.Errorf("%s imports %s: %q, want allowed %v", c.file, c.path, why, c.ok)
		}
	}
}

// use is one import of one file, both relative to the module.
type use struct{ file, path string }

// forbidden returns why an import is not allowed, "" when it is.
func forbidden(u use) string {
	dir := filepath.ToSlash(filepath.Dir(u.file))
	test := strings.HasSuffix(u.file, "_test.go")
	if below(u.path, dir) && dir != stageList && dir != "graph" { // what lies below graph stands on it
		return ""
	}
	if dir == stageList && below(u.path, "stages") && !below(u.path, "stages/internal") {
		return ""
	}
	for _, r := range importRules {
		if !below(dir, r.folder) {
			continue
		}
		may := r.may
		if test {
			may = slices.Concat(may, r.tests)
		}
		for _, m := range may {
			if u.path == m || m == "" || strings.HasSuffix(m, "/") && strings.HasPrefix(u.path, m) {
				return ""
			}
		}
		return fmt.Sprintf("%s may import %s\n\t%s", r.folder, strings.Join(append([]string{"only"}, may...), " "), r.why)
	}
	return "no rule speaks of this folder: add one with its reason"
}

// below reports whether path is folder or lies in it.
func below(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// moduleRoot finds the folder of go.mod and the module's path.
func moduleRoot(t *testing.T) (root, module string) {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(mod), "\n")
	return root, strings.TrimSpace(strings.TrimPrefix(line, "module"))
}

// importsOf reads the imports of every Go file of the module from its source, whatever its build
// tags, and returns those that stay within the module.
func importsOf(t *testing.T, root, module string) []use {
	t.Helper()
	var out []use
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (name[0] == '.' || name[0] == '_' || name == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		files++
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if below(imported, module) {
				out = append(out, use{rel, strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatalf("no Go files under %s", root)
	}
	return out
}
