package kerneltest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
)

func TestTheReferencesPassTheirOwnSuite(t *testing.T) { Run(t, &Slow{}) }

func TestLifecycle(t *testing.T) {
	Lifecycle(t, func() kernels.Device { return &Slow{} })
}

// broken spoils one element of every result, by a part of the largest.
type broken struct {
	*Slow
	how func(y []float32, at int)
}

func (d broken) Do(op kernels.Op) error {
	if err := d.Slow.Do(op); err != nil {
		return err
	}
	t := kernels.Result(op)
	if t.DType != kernels.F32 {
		b := d.bytes(t)
		b[len(b)/2] ^= 1
		return nil
	}
	y, err := kernels.Read[float32](d.Slow, t)
	if err != nil {
		return err
	}
	d.how(y, len(y)/2)
	return d.Upload(t, kernels.HostBytes(y))
}

func TestOneWrongElementFailsEveryCase(t *testing.T) {
	for name, how := range map[string]func([]float32, int){
		"off by a thousandth of the range": func(y []float32, at int) {
			var top float32
			for _, v := range y {
				top = max(top, v, -v)
			}
			y[at] += max(top, 1e-30) / 500
		},
		"not a number": func(y []float32, at int) { y[at] -= y[at]; y[at] /= y[at] },
	} {
		dev := broken{&Slow{}, how}
		for _, c := range Cases() {
			if strings.Contains(c.Name, "huge scores") || strings.HasPrefix(c.Name, "cast/f32 copy") || strings.Contains(c.Name, "large mean") {
				continue // float32 itself is no better there; random bits
			}
			if Check(dev, c) == nil {
				t.Errorf("%s: %s: not noticed", c.Name, name)
			}
		}
	}
}

// beside writes one element next to the result, or into another operand.
type beside struct{ *Slow }

func (d beside) Do(op kernels.Op) error {
	if err := d.Slow.Do(op); err != nil {
		return err
	}
	t := kernels.Result(op)
	b := t.Buf.(*slowBuffer).b
	b[(t.Off+t.Len())*t.DType.Size()] ^= 1
	return nil
}

func TestAWriteBeyondTheResultFailsEveryCase(t *testing.T) {
	for _, c := range Cases() {
		if Check(beside{&Slow{}}, c) == nil {
			t.Errorf("%s: not noticed", c.Name)
		}
	}
}

func TestEveryOpHasCases(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Cases() {
		m := newMaker(&Slow{}, c.Name)
		op := c.Make(m)
		if err := op.Check(); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		if name, _, _ := strings.Cut(c.Name, "/"); name != op.Name() {
			t.Errorf("case %s makes a %s", c.Name, op.Name())
		}
		seen[strings.ReplaceAll(op.Name(), "-", "")] = true
		m.close()
	}
	for _, name := range declaredOps(t) {
		if !seen[strings.ToLower(name)] {
			t.Errorf("op %s has no case", name)
		}
	}
}

// declaredOps returns the names of the types of package kernels that have operands.
func declaredOps(t *testing.T) (names []string) {
	files, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && f.Recv != nil && f.Name.Name == "Operands" {
				names = append(names, f.Recv.List[0].Type.(*ast.Ident).Name)
			}
		}
	}
	if len(names) == 0 {
		t.Fatal("no ops were found")
	}
	return names
}

// An op's operands are all its tensors, under the names of their fields, in order, with one result.
func TestOperandsAreTheTensorsOfAnOp(t *testing.T) {
	for _, c := range Cases() {
		m := newMaker(&Slow{}, c.Name)
		op := c.Make(m)
		m.close()
		v, operands, results := reflect.ValueOf(op), op.Operands(), 0
		for i := range v.NumField() {
			x, ok := v.Field(i).Interface().(*kernels.Tensor)
			if !ok {
				continue
			}
			name := v.Type().Field(i).Name
			if len(operands) == 0 || operands[0].Name != name || operands[0].T != x {
				t.Fatalf("%s: field %s is not the next of the operands %+v", c.Name, name, operands)
			}
			role := operands[0].Role
			if read, written := role&kernels.In != 0, role&kernels.Out != 0; read == written {
				t.Errorf("%s: %s has role %b, want it read or written", c.Name, name, role)
			} else if written {
				results++
			}
			operands = operands[1:]
		}
		if len(operands) > 0 || results != 1 {
			t.Errorf("%s: %d operands have no field, %d are results", c.Name, len(operands), results)
		}
	}
}
