package kerneltest

import (
	"go/ast"
	"go/parser"
	"go/token"
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
	t := result(op)
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
	t := result(op)
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
	file, err := parser.ParseFile(token.NewFileSet(), "../op.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
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
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, s := range g.Specs {
			name := s.(*ast.TypeSpec).Name.Name
			if _, ok := s.(*ast.TypeSpec).Type.(*ast.StructType); ok && name != "Cost" && !seen[strings.ToLower(name)] {
				t.Errorf("op %s has no case", name)
			}
		}
	}
}
