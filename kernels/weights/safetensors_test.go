package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// safetensorsOf makes a file of a header and a number of data bytes.
func safetensorsOf(header string, body int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, body)...)
}

var hostileSafetensors = []struct {
	header string
	body   int
	want   string
}{
	{`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}x`, 8, "something follows"},
	{`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`, 8, "unexpected EOF"},
	{`{"a":`, 0, "unexpected EOF"},
	{`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 7, `byte 12: tensor "a": bytes 0 to 8 lie beyond the 7`},
	{`{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12, "before it belong to no tensor"},
	{`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, 8, `byte 12: tensor "a": f32[3] is 12 bytes, not 8`},
	{`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}`, 8, "must be [begin, end]"},
	{`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}}`, 8, "must be [begin, end]"},
	{`{"a":{"dtype":"F32","shape":[2],"data_offsets":[-1,7]}}`, 8, "cannot unmarshal"},
	{`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,99999999999999999999]}}`, 8, "cannot unmarshal"},
	{`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}}`, 8, "lie beyond"},
	{`{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}`, 8, "negative axis"},
	{`{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}`, 8, "cannot unmarshal"},
	{`{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]}}`, 8, "more elements than memory has addresses"},
	{`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, 0, "more elements than memory has addresses"},
	{`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4, "no shape"},
	{`{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,9]}}`, 9, `tensor "a": f64[1] is 8 bytes, not 9`},
	{`{"a":{"dtype":"F64","shape":[1152921504606846976,16],"data_offsets":[0,8]}}`, 8, "more elements than memory has addresses"},
	{`{"a":{"dtype":"I64","shape":[2],"data_offsets":[0,8]}}`, 8, `tensor "a": I64[2] is 16 bytes, not 8`},
	{`{"a":{"dtype":"F4","shape":[-2],"data_offsets":[0,8]}}`, 8, "negative axis"},
	{`{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`, 12, `tensor "a" is there twice`},
	{`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"BOOL","shape":[1],"data_offsets":[4,5]}}`, 5, `tensor "a" is there twice`},
	{`{"a":{"dtype":"float32","shape":[1],"data_offsets":[0,4]}}`, 4, `dtype "float32" is not supported`},
	{`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"run":"me"}}`, 4, `unknown field "run"`},
	{`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8, `tensor "a" is there twice`},
	{`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8, `tensor "b": bytes 4 to 8 overlap another tensor's`},
	{`{"__metadata__":{"a":1}}`, 0, "__metadata__ must map strings to strings"},
	{`{"__metadata__":null}`, 0, "__metadata__ must map strings to strings"},
	{`{"__metadata__":{},"__metadata__":{}}`, 0, "__metadata__ is there twice"},
	{"{\"\xff\":1}", 0, "not UTF-8"},
	{`{"a":[1,2]}`, 0, "cannot unmarshal"},
}

func TestHostileSafetensorsAreRefused(t *testing.T) {
	for _, c := range hostileSafetensors {
		_, err := Parse("w.safetensors", safetensorsOf(c.header, c.body))
		if err == nil || !strings.HasPrefix(err.Error(), "w.safetensors: byte ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\n\tgives %v\n\twant  %s", c.header, err, c.want)
		}
	}
	for length, want := range map[uint64]string{
		1 << 62:    "over the limit of 100000000",
		200:        "byte 0: the header of 200 bytes ends after the file's 12",
		^uint64(0): "over the limit",
	} {
		data := append(binary.LittleEndian.AppendUint64(nil, length), "{}  "...)
		if _, err := Parse("w", data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("header length %d: %v", length, err)
		}
	}
}

func TestHeadersMayBePaddedAndEmpty(t *testing.T) {
	for _, header := range []string{"{}", "{}      ", `{"__metadata__":{"format":"pt"}}`} {
		if f, err := Parse("w", safetensorsOf(header, 0)); err != nil || f.Len() != 0 {
			t.Errorf("%s: %v", header, err)
		}
	}
	header := `{"b":{"dtype":"U8","shape":[],"data_offsets":[8,9]},"a":{"shape":[2],"dtype":"F32","data_offsets":[0,8]},"e":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}}`
	f, err := Parse("w", safetensorsOf(header, 9))
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, f, 9)
}

func FuzzSafetensors(f *testing.F) {
	for _, c := range hostileSafetensors {
		f.Add(safetensorsOf(c.header, c.body))
	}
	good, err := os.ReadFile("testdata/expected.safetensors")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	var small bytes.Buffer
	if err := WriteSafetensors(&small, []*Tensor{must("a", kernels.F16, 2), must("b", kernels.U8, 1)}, map[string]string{"k": "v"}); err != nil {
		f.Fatal(err)
	}
	f.Add(small.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		file := newFile("w")
		if err := file.readSafetensors(data); err == nil {
			readAll(t, file, len(data))
		}
	})
}

func TestTypesThatNoWeightHasAreNamedAndNotRead(t *testing.T) {
	header := `{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"n":{"dtype":"I64","shape":[],"data_offsets":[4,12]},` +
		`"c":{"dtype":"C64","shape":[1],"data_offsets":[12,20]},"f":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[20,23]},"b":{"dtype":"BOOL","shape":[1],"data_offsets":[23,24]}}`
	f, err := Parse("w", safetensorsOf(header, 24))
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"n": "I64", "c": "C64", "f": "F8_E4M3", "b": "BOOL"}; !maps.Equal(f.Foreign(), want) {
		t.Errorf("foreign %v, want %v", f.Foreign(), want)
	}
	if got := fmt.Sprint(f.Names(), f.Notes); got != "[w] []" {
		t.Errorf("read %s", got)
	}
}

func TestBytesBehindTheLastTensorAreSaid(t *testing.T) {
	f, err := Parse("w", safetensorsOf(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 72))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(f.Names(), f.Notes), "[a] [the last 64 bytes of the file, from byte 70 on, belong to no tensor: not read]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestFloat64IsRoundedToFloat32(t *testing.T) {
	data := safetensorsOf(`{"a":{"dtype":"F64","shape":[3],"data_offsets":[0,24]}}`, 24)
	for i, v := range []float64{1.0 / 3, -2, 1e300} {
		binary.LittleEndian.PutUint64(data[len(data)-24+8*i:], math.Float64bits(v))
	}
	f, err := Parse("w", data)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := f.Lookup("a")
	values, err := a.Float32()
	if want := []float32{1.0 / 3, -2, float32(math.Inf(1))}; err != nil || !slices.Equal(values, want) {
		t.Errorf("%v, %v, want %v", values, err, want)
	}
	if n, err := a.NonFinite(); n != 1 || err != nil || !a.Wide {
		t.Errorf("%d values do not fit into float32, %v; want 1", n, err)
	}
}
