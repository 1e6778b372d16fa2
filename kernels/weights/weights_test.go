package weights

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/seed49bbd0e6/tachi/kernels"
)

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// must returns a tensor over bytes 1, 2, 3, ...
func must(name string, dt kernels.DType, shape ...int) *Tensor {
	t := &Tensor{DType: dt, Shape: shape}
	data := make([]byte, t.Bytes())
	for i := range data {
		data[i] = byte(i + 1)
	}
	t, err := New(name, dt, shape, data)
	if err != nil {
		panic(err)
	}
	return t
}

func TestFixtureOfTorchSaveEqualsExpectation(t *testing.T) {
	got, want := open(t, "testdata/fixture.pt"), open(t, "testdata/expected.safetensors")
	if got.Format != "torch" || want.Format != "safetensors" {
		t.Errorf("formats %q and %q", got.Format, want.Format)
	}
	if d := cmp.Diff(want.Names(), got.Names()); d != "" {
		t.Fatal(d)
	}
	kinds := map[kernels.DType]int{}
	strided := 0
	for _, name := range want.Names() {
		w, _ := want.Lookup(name)
		g, _ := got.Lookup(name)
		kinds[g.DType]++
		if g.stride != nil {
			strided++
		}
		if g.DType != w.DType || !slices.Equal(g.Shape, w.Shape) {
			t.Errorf("%v, want %v", g, w)
			continue
		}
		wd, err1 := w.Dense()
		gd, err2 := g.Dense()
		if err1 != nil || err2 != nil || !bytes.Equal(wd, gd) {
			t.Errorf("%v: %x %v, want %x %v", g, gd, err2, wd, err1)
		}
	}
	if kinds[kernels.F32] == 0 || kinds[kernels.F16] < 2 || kinds[kernels.BF16] < 2 || strided < 6 {
		t.Errorf("the fixture covers %v and %d strided tensors", kinds, strided)
	}
}

func TestFloat32WidensExactly(t *testing.T) {
	f := open(t, "testdata/fixture.pt")
	half, _ := f.Lookup("half")
	values, err := half.Float32()
	if err != nil {
		t.Fatal(err)
	}
	want := []float32{0, float32(math.Copysign(0, -1)), 65504, 0x1p-24, -0x1p-15, float32(math.Inf(1))}
	for i, w := range want {
		if got := values[17+i]; math.Float32bits(got) != math.Float32bits(w) {
			t.Errorf("half %d: %g, want %g", i, got, w)
		}
	}
	brain, _ := f.Lookup("brain")
	if values, err = brain.Float32(); err != nil || values[12] != 0x1p-130 || math.Float32bits(values[13]) != 1<<31 {
		t.Errorf("bf16 ends in %g, %v", values[12:], err)
	}
	ints, _ := f.Lookup("ints")
	if _, err := ints.Float32(); err == nil || err.Error() != `tensor "ints" holds i32, not floating point` {
		t.Errorf("integers as floats: %v", err)
	}
}

func TestWideningF16AgreesWithArithmetic(t *testing.T) {
	for h := range 1 << 16 {
		sign, exp, frac := 1-2*float64(h>>15), h>>10&31, float64(h&1023)
		want := sign * (1 + frac/1024) * math.Pow(2, float64(exp-15))
		switch {
		case exp == 0:
			want = sign * frac / 1024 * math.Pow(2, -14)
		case exp == 31 && frac == 0:
			want = math.Inf(int(sign))
		case exp == 31:
			want = math.NaN()
		}
		got := float64(widenF16(uint16(h)))
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("%#04x is %g, want %g", h, got, want)
		}
	}
}

// A strided view equals the plain definition: element i is at offset + sum of index times stride.
func TestGatherAgreesWithTheDefinition(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		shape := rapid.SliceOfN(rapid.IntRange(0, 4), 0, 4).Draw(rt, "shape")
		stride := rapid.SliceOfN(rapid.IntRange(0, 9), len(shape), len(shape)).Draw(rt, "stride")
		size := rapid.SampledFrom([]int{1, 2, 4}).Draw(rt, "size")
		src := make([]byte, 512)
		for i := range src {
			src[i] = byte(i * 7)
		}
		n := 1
		for _, d := range shape {
			n *= d
		}
		var want []byte
		for i := range n {
			at, rest := 0, i
			for axis := len(shape) - 1; axis >= 0; axis-- {
				at += rest % shape[axis] * stride[axis]
				rest /= shape[axis]
			}
			want = append(want, src[at*size:][:size]...)
		}
		if got := gather(src, size, shape, stride); !bytes.Equal(got, want) {
			rt.Fatalf("%x, want %x", got, want)
		}
	})
}

// What we write, both readers of ours read. With TACHI_WEIGHTS_OUT the files are kept for
// make_fixture.py --check.
func TestWhatWeWriteReadsBack(t *testing.T) {
	lazy, err := Func("z.lazy", []int{3, 5}, func(out []float32) {
		for i := range out {
			out[i] = float32(i) / 3
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	tensors := []*Tensor{
		must("odd.bytes", kernels.U8, 3), must("a.half", kernels.F16, 5), lazy, must("ints", kernels.I32, 2, 2),
		must("scalar", kernels.F32), must("empty", kernels.F32, 0, 4), must("b.brain", kernels.BF16, 2, 1, 3),
		must("a \"quoted\" name, 時", kernels.F32, 33),
	}
	source := open(t, "testdata/fixture.pt")
	for _, name := range source.Names() { // strided ones become dense
		ten, _ := source.Lookup(name)
		if ten.Name != "ints" && ten.Name != "scalar" && ten.Name != "empty" {
			tensors = append(tensors, ten)
		}
	}
	dir := t.TempDir()
	if out := os.Getenv("TACHI_WEIGHTS_OUT"); out != "" {
		dir = out
	}
	write := map[string]func(io.Writer) error{
		"ours.pt":          func(w io.Writer) error { return WriteTorch(w, "ours", tensors) },
		"ours.safetensors": func(w io.Writer) error { return WriteSafetensors(w, tensors, map[string]string{"made": "here"}) },
		"spooled.safetensors": func(w io.Writer) error {
			s, err := NewSpool(t.TempDir())
			if err != nil {
				return err
			}
			defer s.Close()
			for _, ten := range tensors {
				if err := s.Add(ten); err != nil {
					return err
				}
			}
			return s.Write(w, map[string]string{"made": "here"})
		},
	}
	for name, fn := range write {
		file, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := fn(file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		f := open(t, file.Name())
		if f.Len() != len(tensors) {
			t.Errorf("%s: %d tensors, want %d", name, f.Len(), len(tensors))
		}
		for _, want := range tensors {
			got, ok := f.Lookup(want.Name)
			if !ok || got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) {
				t.Errorf("%s: %v, want %v", name, got, want)
				continue
			}
			g, err1 := got.Dense()
			w, err2 := want.Dense()
			if err1 != nil || err2 != nil || !bytes.Equal(g, w) {
				t.Errorf("%s: %v differs: %v, %v", name, got, err1, err2)
			}
			if at := cap(f.mapped[0]) - cap(got.data); f.Format == "safetensors" && at%got.DType.Size() != 0 {
				t.Errorf("%s: %v begins at byte %d", name, got, at)
			}
		}
	}
	a, _ := os.ReadFile(filepath.Join(dir, "ours.safetensors"))
	b, _ := os.ReadFile(filepath.Join(dir, "spooled.safetensors"))
	if !bytes.Equal(a, b) {
		t.Error("the spooled file differs from the one written at once")
	}
	if f := open(t, filepath.Join(dir, "ours.safetensors")); f.Metadata["made"] != "here" {
		t.Errorf("metadata %v", f.Metadata)
	}
}

func TestTorchStoragesAreAligned(t *testing.T) {
	var b bytes.Buffer
	if err := WriteTorch(&b, "odd-root", []*Tensor{must("a", kernels.U8, 3), must("b", kernels.F32, 5), must("c", kernels.F16, 7)}); err != nil {
		t.Fatal(err)
	}
	for _, e := range []string{"data/0", "data/1", "data/2"} {
		at := bytes.Index(b.Bytes(), []byte("odd-root/"+e)) + len("odd-root/"+e)
		at += 4 + int(b.Bytes()[at+2])
		if at%64 != 0 || b.Bytes()[at] != 1 || b.Bytes()[at+1] != 2 {
			t.Errorf("%s: data at byte %d: % x", e, at, b.Bytes()[at:at+4])
		}
	}
}

func TestTakenNamesAreRefusedWhenWriting(t *testing.T) {
	twice := []*Tensor{must("a", kernels.U8, 1), must("a", kernels.U8, 2)}
	s, err := NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, mem := FromTensors("mem", twice)
	for name, err := range map[string]error{
		"safetensors": WriteSafetensors(io.Discard, twice, nil),
		"torch":       WriteTorch(io.Discard, "x", twice),
		"spool":       func() error { _ = s.Add(twice[0]); return s.Add(twice[1]) }(),
		"metadata":    WriteSafetensors(io.Discard, []*Tensor{must("__metadata__", kernels.U8, 1)}, nil),
		"memory":      mem,
	} {
		if err == nil || !strings.Contains(err.Error(), "taken") && !strings.Contains(err.Error(), "twice") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShapesMustFitTheirBytes(t *testing.T) {
	for _, shape := range [][]int{{3}, {-1}, {-1, -4}, {1 << 62, 4}, {1 << 32, 1 << 32}, {math.MaxInt, math.MaxInt, 0, -1}} {
		if _, err := New("a", kernels.F32, shape, make([]byte, 16)); err == nil {
			t.Errorf("%v over 16 bytes is accepted", shape)
		}
	}
	if _, err := New("a", kernels.F32, []int{1 << 40, 0, 1 << 40}, nil); err != nil {
		t.Errorf("an empty tensor: %v", err)
	}
}

func TestClosedFilesGiveErrors(t *testing.T) {
	f := open(t, "testdata/fixture.pt")
	dense, _ := f.Lookup("dense")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("the second close: %v", err)
	}
	if _, err := dense.Float32(); err == nil || !strings.Contains(err.Error(), "the file is closed") {
		t.Errorf("read after close: %v", err)
	}
}

func TestOpenTellsFormatsByContent(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ content, want string }{
		"empty.pt":         {"", "the file is empty"},
		"text.safetensors": {"hello, this is text", "neither a safetensors file nor a zip archive"},
		"short.pt":         {"PK", "neither"},
		"cut.pt":           {"PK\x03\x04 and nothing more", "truncated or damaged"},
		"old.pt":           {"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "before 1.6 is not supported"},
		"lfs.pt":           {"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "several checkpoints in this folder: name one: cut.pt, empty.pt, lfs.pt, old.pt and 2 more") {
		t.Errorf("a folder: %v", err)
	}
	data, err := os.ReadFile("testdata/fixture.pt")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "wrong.safetensors"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	if f := open(t, filepath.Join(dir, "wrong.safetensors")); f.Format != "torch" {
		t.Errorf("format %q", f.Format)
	}
}

// Every prefix of a good file is refused: a truncated download never loads.
func TestTruncatedFilesAreRefused(t *testing.T) {
	for _, path := range []string{"testdata/fixture.pt", "testdata/trainer.pt", "testdata/expected.safetensors"} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := range data {
			if _, err := Parse("cut", data[:n:n]); err == nil {
				t.Errorf("%s: the first %d of %d bytes are accepted", path, n, len(data))
			}
		}
	}
}

// readAll reads every tensor of a file that was accepted: nothing in it may fail or be larger than
// the file.
func readAll(t *testing.T, f *File, size int) {
	for _, name := range f.Names() {
		ten, _ := f.Lookup(name)
		data, err := ten.Dense()
		if err != nil || len(data) != ten.Bytes() || len(data) > size {
			t.Fatalf("%v: %d bytes of %d in a file of %d: %v", ten, len(data), ten.Bytes(), size, err)
		}
		values, err := ten.Float32()
		if isFloat := ten.DType != kernels.U8 && ten.DType != kernels.I32; isFloat != (err == nil) || isFloat && len(values) != ten.Len() {
			t.Fatalf("%v: %d values, %v", ten, len(values), err)
		}
	}
}

func ExampleOpen() {
	f, err := Open("testdata/fixture.pt")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	t, _ := f.Lookup("scalar")
	values, err := t.Float32()
	fmt.Println(t, values, err)
	// Output: scalar f32[] [2.5] <nil>
}

// Opening a named pipe for reading waits for somebody to write, unless it is told not to.
func TestPipesAndDevicesAreRefusedAtOnce(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.pt")
	if err := unix.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{pipe: "pipe.pt: is a pipe, not a regular file", "/dev/null": "/dev/null: is a device, not a regular file"} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
