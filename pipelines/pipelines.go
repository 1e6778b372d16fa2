// Package pipelines is tachi as a Go library: load a pipeline, see what it will take, run it.
//
//	p, err := pipelines.Load("samurai", pipelines.Overrides{Input: "clip.mp4", Source: pipelines.Box(x, y, w, h), Out: "out"})
//	report, err := p.Run(ctx, pipelines.Options{})
//
// The command line does nothing that a program cannot do through this package: the same plan, the
// same bound, the same bytes. The pipeline files of this folder are in the program, by name.
package pipelines

import (
	"embed"
	"errors"
	"io/fs"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/load"
	"github.com/seed49bbd0e6/tachi/stages"
	"github.com/seed49bbd0e6/tachi/stages/model"
)

//go:embed *.toml
var files embed.FS

// folder is where the files in the program stand, so to speak: their relative outputs are relative
// to the folder that the program runs in.
const folder = "pipelines"

// Names lists the pipelines in the program.
func Names() (names []string) {
	entries, _ := files.ReadDir(".") // embedded: cannot fail
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".toml"))
	}
	return names
}

// Overrides is what a caller lays over a pipeline file.
type Overrides = load.Overrides

// Box returns the source options that prompt object 1 on the first frame with a box, in pixels.
func Box(x, y, w, h float64) map[string]any { return map[string]any{"box": []float64{x, y, w, h}} }

// Pipeline is a checked pipeline.
type Pipeline struct {
	Graph *graph.Plan // as the file says; not yet resolved for an input
}

// Load reads a pipeline and checks all that needs neither device, nor input, nor weights. name is a
// file, or one of Names. The error is of type graph.Diagnostics where the pipeline is wrong: every
// mistake, with its place.
func Load(name string, o Overrides) (*Pipeline, error) {
	builtIn := false
	if info, err := os.Stat(name); err != nil || info.IsDir() {
		builtIn = slices.Contains(Names(), name)
	}
	var plan *graph.Plan
	var err error
	if builtIn { // the folder that it stands in does not exist here
		plan, err = load.FS(within{}, path.Join(folder, name+".toml"), stages.All, o)
	} else {
		plan, err = load.File(name, stages.All, o)
	}
	if err != nil {
		return nil, meant(name, err)
	}
	if builtIn && wantsVideo(plan) {
		return nil, graph.Errorf(graph.BadUsage, "the pipeline %q has no video of its own here: give one with -i VIDEO", name)
	}
	if err := model.Check(plan); err != nil {
		return nil, err
	}
	return &Pipeline{Graph: plan}, checkOutputs(plan)
}

// within is the folder of the files in the program.
type within struct{}

// Open implements fs.FS.
func (within) Open(name string) (fs.File, error) {
	return files.Open(strings.TrimPrefix(name, folder+"/"))
}

// wantsVideo reports whether the source of a built-in pipeline still names the repository's clip.
func wantsVideo(p *graph.Plan) bool {
	wants := false
	source := p.Source()
	options := reflect.Indirect(reflect.ValueOf(source.Options))
	for _, o := range graph.Options(source.Stage.Options) {
		if v, ok := options.FieldByIndex(o.Index).Interface().(graph.Path); ok && o.Name == "path" {
			wants = strings.HasPrefix(string(v), folder+"/")
		}
	}
	return wants
}

// meant adds the pipelines in the program to the error of a name that is no file.
func meant(name string, err error) error {
	list, ok := errors.AsType[graph.Diagnostics](err)
	if _, missing := os.Stat(name); !ok || missing == nil || len(list) != 1 || strings.ContainsAny(name, "./") {
		return err
	}
	list[0].Label = graph.Suggest(name, Names())
	list[0].Notes = []string{"pipelines in this program: " + strings.Join(Names(), ", ")}
	return list
}
