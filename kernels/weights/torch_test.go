package weights

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// archive makes a zip of entries, stored unless a name begins with "deflate:".
func archive(entries ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		h := &zip.FileHeader{Name: entries[i], Method: zip.Store}
		if name, ok := strings.CutPrefix(entries[i], "deflate:"); ok {
			h.Name, h.Method = name, zip.Deflate
		}
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write([]byte(entries[i+1]))
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// checkpoint makes an archive of a program and one storage of six float32 under key 0.
func checkpoint(program string) []byte {
	return archive("r/data.pkl", program, "r/data/0", strings.Repeat("\x00", 24), "r/version", "3\n")
}

// rebuild is the program that makes {name: tensor} over storage 0.
func rebuild(class string, numel, offset int, shape, stride []int) string {
	var p pickler
	p.op("\x80\x02}").text("w").op("ctorch._utils\n_rebuild_tensor_v2\n((").text("storage").op("ctorch\n" + class + "\n")
	p.text("0").text("cpu").int(numel).op("tQ").int(offset).tuple(shape).tuple(stride).op("\x89)tRs.")
	return p.b.String()
}

func TestCheckpointsCannotExecuteAnything(t *testing.T) {
	for program, want := range map[string]string{
		"\x80\x02cos\nsystem\n(X\x02\x00\x00\x00idtR.":                `data.pkl: byte 2: refuses to construct "os.system": a checkpoint may only hold tensors`,
		"\x80\x02cposix\nsystem\n.":                                   `refuses to construct "posix.system"`,
		"\x80\x02cbuiltins\neval\n.":                                  `refuses to construct "builtins.eval"`,
		"\x80\x02c__builtin__\ngetattr\n.":                            `refuses to construct "__builtin__.getattr"`,
		"\x80\x02ccopy_reg\n_reconstructor\n.":                        `refuses to construct "copy_reg._reconstructor"`,
		"\x80\x02ctorch._utils\n_rebuild_tensor_v3\n.":                `refuses to construct "torch._utils._rebuild_tensor_v3"`,
		"\x80\x02ctorch\nload\n.":                                     `refuses to construct "torch.load"`,
		"\x80\x04\x8c\x02os\x8c\x06system\x93.":                       `refuses to construct "os.system"`,
		"\x80\x02ctorch._utils\n_rebuild_tensor_v2.__globals__\nx\n.": "refuses to construct",
		"(ios\nsystem\n.":                                             "refuses pickle instruction 0x69",
		"(cos\nsystem\no.":                                            `refuses to construct "os.system"`,
		"\x80\x02ccollections\nOrderedDict\n)\x81.":                   "refuses pickle instruction 0x81",
		"\x80\x02ctorch\nFloatStorage\n)R.":                           "refuses to call torch.FloatStorage",
		"\x80\x02X\x02\x00\x00\x00id)R.":                              `refuses to call the string "id"`,
		"\x80\x02ccollections\nOrderedDict\n(X\x01\x00\x00\x00atR.":   "collections.OrderedDict: arguments are not expected",
		"\x80\x02ctorch._utils\n_rebuild_parameter\n(Ntt.":            "a mark that it never set",
		"\x80\x02ctorch._utils\n_rebuild_parameter\n)R.":              "torch._utils._rebuild_parameter: the first argument must be a tensor",
		"\x80\x02X\x03\x00\x00\x00abcQ.":                              "a persistent id that is not a storage",
		"\x80\x02\x82\x01.":                                           "refuses pickle instruction 0x82",
	} {
		if _, err := Parse("c.pt", checkpoint(program)); err == nil || !strings.HasPrefix(err.Error(), "c.pt: data.pkl: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q\n\tgives %v\n\twant  %s", program, err, want)
		}
	}
}

func TestHostileProgramsAreRefused(t *testing.T) {
	for program, want := range map[string]string{
		"":                      "the pickle ends too early",
		".":                     "takes from an empty stack",
		"\x80\x09.":             "pickle protocol 9 is not known",
		"N.":                    "holds None, not a dict of tensors",
		"K\x01.":                "holds the number 1, not a dict",
		"X\xff\xff\xff\xffabc.": "byte 0: the pickle ends too early", // a string of 4 GiB
		"T\xff\xff\xff\x7fabc.": "the pickle ends too early",
		"\x8a\xff" + strings.Repeat("\x01", 255) + ".": "an integer of 255 bytes is too large",
		"\x8b\xff\xff\xff\x7f.":                        "refuses pickle instruction 0x8b",
		"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.":        "refuses pickle instruction 0x8e",
		"h\x07.":                                       "memo 7 was never set",
		"q\x07.":                                       "takes from an empty stack",
		"\x94.":                                        "takes from an empty stack",
		"t.":                                           "a mark that it never set",
		"(((\x87.":                                     "takes from an empty stack",
		"N(\x85t.":                                     "byte 2: the pickle takes from an empty stack", // across a mark
		"]NNs.":                                        "a list where a dict must be",
		"}Na.":                                         "a dict where a list must be",
		"}(Nu.":                                        "a key without a value",
		"}Nb":                                          "byte 3: the pickle ends too early",
		"}NNs.":                                        "None where a tensor's name must be",
		"}X\x01\x00\x00\x00aK\x05s.":                   `"a" is the number 5, not a tensor`,
		"}X\x01\x00\x00\x00a]q\x00h\x00as.":            `"a" is a list, not a tensor`, // a list that holds itself
		"cos":                                          "the pickle ends too early",
		"c" + strings.Repeat("a", 1000) + "\nb\n.":                                  "the pickle ends too early",
		strings.Repeat("N", maxInstructions) + ".":                                  "more than 1048576 instructions",
		rebuild("FloatStorage", 6, 0, []int{7}, []int{1}):                           "shape [7] has 7 elements, its storage 6",
		rebuild("FloatStorage", 6, 1, []int{6}, []int{1}):                           "offset 1, shape [6] and stride [1] reach outside the storage's 6 elements",
		rebuild("FloatStorage", 6, 0, []int{2, 3}, []int{4, 1}):                     "reach outside",
		rebuild("FloatStorage", 6, -1, []int{1}, []int{1}):                          "reach outside",
		rebuild("FloatStorage", 6, 7, []int{0}, []int{1}):                           "reach outside",
		rebuild("FloatStorage", 6, 0, []int{2}, []int{-1}):                          "reach outside",
		"ccollections\nOrderedDict\n()Rt.":                                          "byte 27: the pickle takes from an empty stack",
		rebuild("FloatStorage", 6, 6, []int{2, 2}, []int{math.MaxInt, math.MaxInt}): "reach outside", // wraps to 4
		rebuild("FloatStorage", 6, 0, []int{1}, []int{-1}):                          "reach outside",
		rebuild("FloatStorage", 6, 0, []int{2}, []int{1 << 62}):                     "reach outside",
		rebuild("FloatStorage", 6, 1<<62, []int{2, 2}, []int{1 << 62, 1 << 62}):     "reach outside",
		rebuild("FloatStorage", 6, 0, []int{-2}, []int{1}):                          "negative axis",
		rebuild("FloatStorage", 6, 0, []int{1 << 40}, []int{0}):                     "elements, its storage 6", // expanded to 4 TiB
		rebuild("FloatStorage", 6, 0, []int{1 << 40, 1 << 40}, []int{0, 0}):         "more elements than memory has addresses",
		rebuild("FloatStorage", 6, 0, []int{2}, []int{1, 1}):                        "the arguments must be",
		rebuild("FloatStorage", 5, 0, []int{2}, []int{1}):                           `storage "0": 5 elements of torch.FloatStorage do not make its 24 bytes`,
		rebuild("HalfStorage", 6, 0, []int{2}, []int{1}):                            "do not make its 24 bytes",
		rebuild("FloatStorage", -6, 0, []int{2}, []int{1}):                          "do not make",
		rebuild("FloatStorage", 1<<62, 0, []int{2}, []int{1}):                       "do not make",
		rebuild("LongStorage", 3, 0, []int{2}, []int{1}):                            `tensor "w": torch.LongStorage cannot hold weights`,
		rebuild("DoubleStorage", 3, 0, []int{2}, []int{1}):                          `tensor "w": torch.DoubleStorage cannot hold weights`,
		rebuild("QInt8Storage", 24, 0, []int{2}, []int{1}):                          `refuses to construct "torch.QInt8Storage"`,
	} {
		if _, err := Parse("c.pt", checkpoint(program)); err == nil || !strings.HasPrefix(err.Error(), "c.pt: data.pkl: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q\n\tgives %v\n\twant  %s", program, err, want)
		}
	}
	f, err := Parse("c.pt", checkpoint(rebuild("FloatStorage", 6, 0, []int{2, 3}, []int{1, 2})))
	if err != nil {
		t.Fatalf("the same program with good numbers: %v", err)
	}
	readAll(t, f, 24)
}

func TestHostileArchivesAreRefused(t *testing.T) {
	good := rebuild("FloatStorage", 6, 0, []int{6}, []int{1})
	storage := strings.Repeat("\x00", 24)
	cut := checkpoint(good)
	// Compressed, but by what it says to the same size.
	var same bytes.Buffer
	z := zip.NewWriter(&same)
	h := &zip.FileHeader{Name: "r/data.pkl", Method: zip.Deflate, CompressedSize64: uint64(len(good)), UncompressedSize64: uint64(len(good))}
	if w, err := z.CreateRaw(h); err != nil {
		t.Fatal(err)
	} else if _, err := io.WriteString(w, good); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	beyond := bytes.Replace(cut, []byte("\x18\x00\x00\x00\x18\x00\x00\x00\x08"), []byte("\xff\xff\x00\x00\xff\xff\x00\x00\x08"), 1)
	for _, c := range []struct {
		data []byte
		want string
	}{
		{archive("hello.txt", "hello"), "without data.pkl"},
		{archive("a/data.pkl", good, "b/data.pkl", good), "two pickles"},
		{archive("r/data.pkl", good, "r/data.pkl", good), `entry "r/data.pkl" is there twice`},
		{archive("r/data.pkl", good), `no entry "r/data/0"`},
		{archive("deflate:r/data.pkl", good, "r/data/0", storage), `entry "r/data.pkl" is compressed`},
		{archive("r/data.pkl", good, "deflate:r/data/0", storage), `entry "r/data/0" is compressed`},
		{archive("r/data.pkl", good, "r/data/0", storage, "r/byteorder", "big"), `byteorder: "big" is not supported`},
		{same.Bytes(), `entry "r/data.pkl" is compressed`},
		{beyond, "lie beyond the file's"},
		{cut[:len(cut)-4], "truncated or damaged"},
	} {
		if _, err := Parse("c.pt", c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	if _, err := Parse("c.pt", archive("data.pkl", good, "data/0", storage)); err != nil {
		t.Errorf("an archive without a root folder: %v", err)
	}
}

// A training checkpoint holds more than weights beside "model"; that is nobody's business.
func TestOnlyTheModelIsRead(t *testing.T) {
	inner := strings.TrimSuffix(strings.TrimPrefix(rebuild("FloatStorage", 6, 0, []int{6}, []int{1}), "\x80\x02"), ".")
	long := strings.TrimSuffix(strings.TrimPrefix(rebuild("LongStorage", 3, 0, []int{3}, []int{1}), "\x80\x02"), ".")
	var p pickler
	p.op("\x80\x02}").text("epoch").op("K\x05s").text("optimizer").op(long + "s").text("model").op(inner + "s.")
	f, err := Parse("c.pt", checkpoint(p.b.String()))
	if err != nil || fmt.Sprint(f.Names()) != "[w]" {
		t.Fatal(f, err)
	}
}

func FuzzTorch(f *testing.F) {
	fixture, err := os.ReadFile("testdata/fixture.pt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fixture)
	var small bytes.Buffer
	if err := WriteTorch(&small, "r", []*Tensor{must("a", kernels.F16, 2), must("b", kernels.U8, 1)}); err != nil {
		f.Fatal(err)
	}
	f.Add(small.Bytes())
	f.Add(checkpoint(rebuild("FloatStorage", 6, 0, []int{2, 3}, []int{1, 2})))
	f.Fuzz(func(t *testing.T, data []byte) {
		if file, err := Parse("c.pt", data); err == nil {
			readAll(t, file, len(data))
		}
	})
}

// FuzzPickle changes only the program, so that mutations are not lost on the archive.
func FuzzPickle(f *testing.F) {
	f.Add([]byte(rebuild("FloatStorage", 6, 0, []int{2, 3}, []int{1, 2})))
	f.Add([]byte(rebuild("HalfStorage", 12, 3, []int{2, 2}, []int{4, 2})))
	f.Add([]byte("\x80\x02cos\nsystem\n(X\x02\x00\x00\x00idtR."))
	f.Add([]byte("\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94]\x94h\x02as."))
	program, err := torchPickle([]*Tensor{must("a", kernels.F32, 2, 3)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(program)
	empty := checkpoint("")
	f.Fuzz(func(t *testing.T, program []byte) {
		if strings.Contains(string(program), "PK") {
			return // would end the archive
		}
		data := checkpoint(string(program))
		if file, err := Parse("c.pt", data); err == nil {
			readAll(t, file, len(empty))
		}
	})
}
