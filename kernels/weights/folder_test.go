package weights

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// tree writes files into a new folder. Content "=a,b" is a safetensors file with tensors of these
// names.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if names, ok := strings.CutPrefix(content, "="); ok {
			var b strings.Builder
			var all []*Tensor
			for n := range strings.SplitSeq(names, ",") {
				all = append(all, must(n, kernels.F32, 2))
			}
			if err := WriteSafetensors(&b, all, nil); err != nil {
				t.Fatal(err)
			}
			content = b.String()
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFoldersAndPartsAreRead(t *testing.T) {
	index := `{"metadata":{"total_size":24},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors","c":"model-00002-of-00002.safetensors"}}`
	parts := map[string]string{"model-00001-of-00002.safetensors": "=a", "model-00002-of-00002.safetensors": "=b,c"}
	with := func(more ...string) map[string]string {
		all := map[string]string{}
		for n, c := range parts {
			all[n] = c
		}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	for _, c := range []struct {
		files map[string]string
		path  string
		want  string
	}{
		{map[string]string{"config.json": `{"model_type":"sam2_video"}`, "model.safetensors": "=a", "w.pt": "x"}, "", "[a]"},
		{map[string]string{"config.json": `{`, "model.safetensors": "=a"}, "", "[a]"},
		{map[string]string{"pytorch_model.bin": "=a", "training_args.bin": "x"}, "", "[a]"},
		{map[string]string{"my.safetensors": "=a", "README.md": "x"}, "", "[a]"},
		{map[string]string{"snapshots/abc/model.safetensors": "=a", "snapshots/def/model.safetensors": "=b", "refs/main": "def\n"}, "", "[b]"},
		{with("model.safetensors.index.json", index), "", "[a b c]"},
		{with("model.safetensors.index.json", index), "model.safetensors.index.json", "[a b c]"},
		{with(), "", "[a b c]"},
		{with(), "model-00002-of-00002.safetensors", "[a b c]"},
	} {
		dir := tree(t, c.files)
		f, err := Open(filepath.Join(dir, c.path))
		if err != nil || fmt.Sprint(f.Names()) != c.want {
			t.Errorf("%v %s: %v, %v, want %s", c.files, c.path, f, err, c.want)
			continue
		}
		readAll(t, f, int(f.Size))
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	paths, err := Files(tree(t, with("model.safetensors.index.json", index)))
	if err != nil || len(paths) != 2 || !slices.IsSorted(paths) {
		t.Errorf("files %v, %v", paths, err)
	}
}

func TestFoldersThatHoldNoWeightsSayWhy(t *testing.T) {
	of := func(file string) string { return fmt.Sprintf(`{"weight_map":{"a":%q}}`, file) }
	for _, c := range []struct {
		files map[string]string
		path  string
		want  string
	}{
		{map[string]string{"README.md": "x"}, "", "no weights in this folder (model.safetensors, or one file that ends in"},
		{map[string]string{"a.pt": "x", "b.pt": "x"}, "", "several checkpoints in this folder: name one: a.pt, b.pt"},
		{map[string]string{"config.json": `{"model_type":"clip"}`, "model.safetensors": "=a"}, "", `a folder of a "clip" model, not of SAM 2`},
		{map[string]string{"snapshots/a/x": "", "snapshots/b/x": ""}, "", "several revisions in this folder: name one"},
		{map[string]string{"model-00001-of-00003.safetensors": "=a"}, "model-00001-of-00003.safetensors",
			"2 of the checkpoint's 3 parts are not in its folder: model-00002-of-00003.safetensors, model-00003-of-00003.safetensors"},
		{map[string]string{"model-00001-of-00003.safetensors": "=a"}, "", "2 of the checkpoint's 3 parts"},
		{map[string]string{"model.safetensors.index.json": of("x.safetensors")}, "", "1 of the checkpoint's 1 parts are not in its folder: x.safetensors"},
		{map[string]string{"model.safetensors.index.json": of("../x.safetensors")}, "", `names "../x.safetensors", which is not a file in its folder`},
		{map[string]string{"model.safetensors.index.json": of("..")}, "", "which is not a file in its folder"},
		{map[string]string{"model.safetensors.index.json": "{}"}, "", "the index names 0 files"},
		{map[string]string{"model.safetensors.index.json": "[1"}, "", "not an index of parts"},
		{map[string]string{"a-00001-of-00002.safetensors": "=a", "a-00002-of-00002.safetensors": "=a"}, "", `tensor "a" is there twice: it is in another part as well`},
		{nil, "none.pt", "no such file or directory"},
	} {
		path := filepath.Join(tree(t, c.files), c.path)
		f, err := Open(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), filepath.Clean(path)) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v %s\n\tgives %v, %v\n\twant  %s", c.files, c.path, f, err, c.want)
		}
	}
}

func TestRenamedTensorsEndWithTheirFile(t *testing.T) {
	f := open(t, filepath.Join(tree(t, map[string]string{"w.safetensors": "=p.a,p.b"}), "w.safetensors"))
	view, err := f.Renamed(func(name string) string { return strings.TrimPrefix(name, "p.") })
	if err != nil || fmt.Sprint(view.Names(), f.Names()) != "[a b] [p.a p.b]" {
		t.Fatal(view, err)
	}
	readAll(t, view, int(f.Size))
	if _, err := f.Renamed(func(string) string { return "same" }); err == nil {
		t.Error("two tensors have one name")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	a, _ := view.Lookup("a")
	if _, err := a.Float32(); err == nil {
		t.Error("a tensor outlives its file")
	}
}

// FuzzIndex reads an index in a folder with one part.
func FuzzIndex(f *testing.F) {
	f.Add(`{"metadata":{},"weight_map":{"a":"w.safetensors"}}`)
	f.Add(`{"weight_map":{"a":"../w.safetensors","b":""}}`)
	f.Add(`{"weight_map":[]}`)
	dir := f.TempDir()
	path := filepath.Join(dir, "model.safetensors.index.json")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		paths, err := Files(path)
		for _, p := range paths {
			if err == nil && filepath.Dir(p) != dir {
				t.Errorf("%q leads to %q", text, p)
			}
		}
	})
}
