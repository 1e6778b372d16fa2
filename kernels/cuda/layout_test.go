package cuda

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// field is a member of a struct of arguments, as the GPU sees it: where it begins and what is
// there.
type field struct {
	name   string // in lower case, without underscores
	offset int
	kind   string // pointer, int, long, float; with [n] an array
}

// Every struct of arguments in a .cu file has a twin in Go, whose fields have the same names, types
// and places. The emulator compares the sizes of both when a kernel is launched.
func TestArgumentsAreTheSameInGoAndCUDA(t *testing.T) {
	device, host := cudaStructs(t), goStructs(t)
	for name, want := range device {
		got, ok := host[name]
		if !ok {
			t.Errorf("struct %s has no twin in Go", name)
			continue
		}
		if got.size != want.size {
			t.Errorf("%s: %d bytes in Go, %d in CUDA", name, got.size, want.size)
		}
		for i := range max(len(got.fields), len(want.fields)) {
			if i >= len(got.fields) || i >= len(want.fields) {
				t.Errorf("%s: %d fields in Go, %d in CUDA", name, len(got.fields), len(want.fields))
				break
			}
			if got.fields[i] != want.fields[i] {
				t.Errorf("%s: Go has %+v, CUDA %+v", name, got.fields[i], want.fields[i])
			}
		}
	}
	for name := range host {
		if _, ok := device[name]; !ok {
			t.Errorf("%s is in Go, and in no .cu file", name)
		}
	}
}

// layout is a struct: its fields without padding, and its size with it.
type layout struct {
	fields []field
	size   int
	align  int
}

// isArguments reports whether a struct, named without underscores, goes to a kernel or is part of
// one that does.
func isArguments(name string) bool { return strings.HasSuffix(name, "args") || name == "bilinear" }

var (
	cudaStruct  = regexp.MustCompile(`(?ms)^struct (\w+) \{\n(.*?)^\};`)
	cudaComment = regexp.MustCompile(`//[^\n]*`)
	cudaMember  = regexp.MustCompile(`^(?:const )?(unsigned char|long long|\w+)\s+(.*)$`)
	cudaName    = regexp.MustCompile(`^(\*?)(\w+)(?:\[(\d+)\])?$`)
)

// cudaStructs lays out the structs of the .cu files by the rules of C: a member begins at the next
// multiple of its alignment.
func cudaStructs(t *testing.T) map[string]layout {
	files, err := filepath.Glob("*.cu")
	if err != nil {
		t.Fatal(err)
	}
	var found [][]string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range cudaStruct.FindAllStringSubmatch(string(text), -1) {
			if name := plain(m[1]); name == "bilinear" { // part of others
				found = append([][]string{m}, found...)
			} else if isArguments(name) {
				found = append(found, m)
			}
		}
	}
	all := map[string]layout{}
	for _, m := range found {
		l := layout{align: 1}
		for _, member := range strings.Split(cudaComment.ReplaceAllString(m[2], ""), ";") {
			member = strings.TrimSpace(member)
			if member == "" {
				continue
			}
			typed := cudaMember.FindStringSubmatch(member)
			if typed == nil {
				t.Fatalf("%s: what is %q?", m[1], member)
			}
			for _, name := range strings.Split(typed[2], ",") {
				n := cudaName.FindStringSubmatch(strings.TrimSpace(name))
				if n == nil {
					t.Fatalf("%s: what is %q?", m[1], name)
				}
				kind, size := typed[1], 0
				switch {
				case n[1] == "*":
					kind, size = "pointer", 8
				case kind == "int", kind == "float":
					size = 4
				case kind == "long long":
					kind, size = "long", 8
				}
				inner, nested := all[plain(kind)]
				align := size
				if nested {
					size, align = inner.size, inner.align
				} else if size == 0 {
					t.Fatalf("%s: what is a %s?", m[1], kind)
				}
				l.add(plain(n[2]), kind, n[3], size, align)
			}
		}
		l.size = roundUp(l.size, l.align)
		all[plain(m[1])] = l
	}
	if len(all) == 0 {
		t.Fatal("no structs were found")
	}
	return all
}

func (l *layout) add(name, kind, count string, size, align int) {
	n := 1
	if count != "" {
		n, _ = strconv.Atoi(count)
		kind += "[" + count + "]"
	}
	at := roundUp(l.size, align)
	l.fields = append(l.fields, field{name, at, kind})
	l.size, l.align = at+n*size, max(l.align, align)
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// plain is a name in lower case without underscores. What is called type in CUDA is called typed in
// Go.
func plain(name string) string {
	if name = strings.ToLower(strings.ReplaceAll(name, "_", "")); name == "type" {
		return "typed"
	}
	return name
}

// goStructs are the twins, laid out as the Go compiler does it.
func goStructs(t *testing.T) map[string]layout {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset, twins := token.NewFileSet(), &ast.File{Name: ast.NewIdent("twins")}
	for _, name := range files {
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, s := range g.Specs {
				s := s.(*ast.TypeSpec)
				if _, ok := s.Type.(*ast.StructType); ok && isArguments(plain(s.Name.Name)) {
					twins.Decls = append(twins.Decls, &ast.GenDecl{Tok: token.TYPE, Specs: []ast.Spec{s}})
				}
			}
		}
	}
	sizes := types.SizesFor("gc", "amd64")
	pkg, err := (&types.Config{Sizes: sizes}).Check("twins", fset, []*ast.File{twins}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]layout{}
	for _, name := range pkg.Scope().Names() {
		s := pkg.Scope().Lookup(name).Type().Underlying().(*types.Struct)
		var vars []*types.Var
		for v := range s.Fields() {
			vars = append(vars, v)
		}
		l := layout{size: int(sizes.Sizeof(s))}
		for i, at := range sizes.Offsetsof(vars) {
			if vars[i].Name() != "_" {
				l.fields = append(l.fields, field{plain(vars[i].Name()), int(at), goKind(vars[i].Type())})
			}
		}
		all[plain(name)] = l
	}
	return all
}

func goKind(t types.Type) string {
	switch t := t.(type) {
	case *types.Array:
		return goKind(t.Elem()) + "[" + strconv.Itoa(int(t.Len())) + "]"
	case *types.Named:
		return t.Obj().Name()
	}
	return map[string]string{"uint64": "pointer", "int32": "int", "int64": "long", "float32": "float"}[t.String()]
}
