package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"os"
	"slices"
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
		rebuild("ComplexFloatStorage", 3, 0, []int{2}, []int{1}):                    `tensor "w": torch.ComplexFloatStorage cannot hold weights`,
		rebuild("DoubleStorage", 3, 0, []int{4}, []int{1}):                          "shape [4] has 4 elements, its storage 3",
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

// body is a program without its frame: what leaves its value on the stack.
func body(program string) string {
	return strings.TrimSuffix(strings.TrimPrefix(program, "\x80\x02"), ".")
}

// word is the instruction for a string.
func word(s string) string { return new(pickler).text(s).b.String() }

// What a trainer keeps beside the weights, as pickles of Python write it.
var trainerValues = map[string]string{
	"numpy scalar":         "cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n(" + word("f8") + "\x89\x88tR(K\x03" + word("<") + "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbC\x08\x00\x00\x00\x00\x00\x00\xe0?tR",
	"numpy array":          "cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR(K\x01K\x01\x85cnumpy\ndtype\n(" + word("f8") + "\x89\x88tR\x89C\x08\x00\x00\x00\x00\x00\x00\xe0?tb",
	"namespace":            "cargparse\nNamespace\n)\x81}" + word("lr") + "K\x01sb",
	"omegaconf":            "comegaconf.dictconfig\nDictConfig\n)\x81}(" + word("_content") + "}" + word("_parent") + "Nub",
	"bytes of protocol 2":  "c_codecs\nencode\n" + word("ab") + word("latin1") + "\x86R",
	"set":                  "\x8f(K\x01K\x02\x90",
	"frozenset":            "(K\x01\x91",
	"object with keywords": "cpathlib\nPosixPath\n)}\x92",
	"dict subclass":        "cargs\nConfig\n)R(" + word("a") + "K\x01u",
	"list subclass":        "cargs\nNames\n)R(K\x01e",
	"list subclass, one":   "cargs\nNames\n)RK\x01a",
	"old class":            "(cargs\nOld\nK\x01o",
	"random state":         "\x8a\x11" + strings.Repeat("\x7f", 17),
	"device":               "ctorch\ndevice\n" + word("cpu") + "\x85R",
	"dtype":                "ctorch\nfloat16\n",
	"int64":                body(rebuild("LongStorage", 3, 0, []int{3}, []int{1})),
}

func TestWhatIsBesideTheWeightsIsNeverConstructed(t *testing.T) {
	weights := body(rebuild("FloatStorage", 6, 0, []int{6}, []int{1})) // {"w": tensor}
	for name, value := range trainerValues {
		for _, program := range []string{
			"\x80\x04}" + word("model") + weights + "s" + word("extra") + value + "s.",
			"\x80\x04}" + word("extra") + value + "s" + word("model") + weights + "s.",
			"\x80\x04}" + word("model") + weights + word("extra") + value + "ss.", // among the tensors
		} {
			f, err := Parse("c.pt", checkpoint(program))
			if err != nil || fmt.Sprint(f.Names()) != "[w]" {
				t.Errorf("%s: %v, %v", name, f, err)
				continue
			}
			if asks := strings.Contains(value, "\n") && !strings.Contains(value, "torch._utils"); asks != strings.Contains(fmt.Sprint(f.Notes), "nothing of it was constructed") {
				t.Errorf("%s: notes %q", name, f.Notes)
			}
		}
	}
}

func TestWeightsAreFoundUnderTheirKey(t *testing.T) {
	one := body(rebuild("FloatStorage", 6, 0, []int{6}, []int{1}))
	both := strings.TrimSuffix(one, "s") + "s" + word("v") + strings.TrimSuffix(strings.TrimPrefix(one, "}"+word("w")), "s") + "s" // {"w": ..., "v": ...}
	in := func(key, value string) string { return "}" + word(key) + value + "s" }
	and := func(dict, key, value string) string { return dict + word(key) + value + "s" }
	for _, c := range []struct{ program, names, note string }{
		{in("state_dict", one), "[w]", `took the tensors under "state_dict"`},
		{in("model_state_dict", one), "[w]", `took the tensors under "model_state_dict"`},
		{in("whatever", one), "[w]", `took the tensors under "whatever"`},
		{in("state", in("model", one)), "[w]", `took the tensors under "state.model"`},
		{one, "[w]", ""},
		{in("model", one), "[w]", ""},
		{and(in("ema", one), "model", one), "[w]", `took the tensors under "model"; there are others under "ema"`},
		{and(in("model", both), "ema", both), "[v w]", `took the tensors under "model"; there are others under "ema"`},
		{and(in("optimizer", both), "net", one), "[w]", `took the tensors under "net"`},
		{and(in("optimizer", in("exp_avg", both)), "mine", one), "[w]", `took the tensors under "mine"`},
		{and(in("model", both), "step", strings.TrimSuffix(strings.TrimPrefix(one, "}"+word("w")), "s")), "[v w]", ""}, // a tensor
	} {
		f, err := Parse("c.pt", checkpoint("\x80\x02"+c.program+"."))
		if err != nil || fmt.Sprint(f.Names()) != c.names {
			t.Errorf("%q: %v, %v", c.note, f, err)
			continue
		}
		if got := strings.Join(f.Notes, "; "); got != c.note {
			t.Errorf("said %q, want %q", got, c.note)
		}
	}
}

func TestWholeModulesAreRefusedInWords(t *testing.T) {
	module := "cultralytics.nn.tasks\nDetectionModel\n)\x81}" + word("training") + "\x89sb"
	for program, want := range map[string]string{
		"}" + word("model") + module + "s": `"model" is an object of ultralytics.nn.tasks.DetectionModel, which is never constructed: load it with PyTorch and torch.save its state_dict()`,
		module:                             `refuses to construct "ultralytics.nn.tasks.DetectionModel"`,
	} {
		if _, err := Parse("c.pt", checkpoint("\x80\x02"+program+".")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestTensorsWithAttributesAreRead(t *testing.T) {
	plain := strings.TrimSuffix(strings.TrimPrefix(body(rebuild("FloatStorage", 6, 0, []int{6}, []int{1})), "}"+word("w")+"ctorch._utils\n_rebuild_tensor_v2\n"), "Rs")
	wrapped := "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\n" + plain + "}tR"
	f, err := Parse("c.pt", checkpoint("\x80\x02}"+word("w")+wrapped+"s."))
	if err != nil || fmt.Sprint(f.Names()) != "[w]" {
		t.Fatal(f, err)
	}
	readAll(t, f, 24)
}

// A dict may hold itself, under as many keys as the pickle has instructions.
func TestDictsThatHoldThemselvesEnd(t *testing.T) {
	program := "\x80\x02}q\x00(" + strings.Repeat(word("a")+"h\x00", 1000) + "u."
	if _, err := Parse("c.pt", checkpoint(program)); err == nil || !strings.Contains(err.Error(), "holds no tensors") {
		t.Error(err)
	}
}

func TestOtherArchivesAreNamed(t *testing.T) {
	good := rebuild("FloatStorage", 6, 0, []int{6}, []int{1})
	for want, data := range map[string][]byte{
		"a TorchScript archive holds a program, which is never run": archive("r/data.pkl", good, "r/constants.pkl", "]."),
		"arrays of NumPy":                         archive("a.npy", "x"),
		`a zip archive with "w.pt" in it: unpack`: archive("w.pt", "x"),
	} {
		if _, err := Parse("c.pt", data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// An archive of more than 4 GiB has its sizes and places in zip64 fields; torch writes them for
// small ones as well.
func TestZip64IsRead(t *testing.T) {
	for _, root := range []string{"archive/", "best/", "a/b/c/", ""} {
		program, storage := rebuild("FloatStorage", 6, 0, []int{6}, []int{1}), strings.Repeat("\x01", 24)
		var b, central []byte
		for _, e := range [][2]string{{root + "data.pkl", program}, {root + "data/0", storage}, {root + "byteorder", "little"}} {
			at, n := uint64(len(b)), uint64(len(e[1]))
			both := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, n), n)
			head := func(signature string, extra []byte) []byte {
				h := append([]byte(signature), 45, 0, 0, 0, 0, 0, 0, 0, 0, 0)
				h = binary.LittleEndian.AppendUint32(h, crc32.ChecksumIEEE([]byte(e[1])))
				h = append(h, "\xff\xff\xff\xff\xff\xff\xff\xff"...)
				h = binary.LittleEndian.AppendUint16(h, uint16(len(e[0])))
				return binary.LittleEndian.AppendUint16(h, uint16(len(extra)+4))
			}
			central = append(central, head("PK\x01\x02\x2d\x00", append(both, make([]byte, 8)...))...)
			central = append(central, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"+e[0]+"\x01\x00\x18\x00"...)
			central = binary.LittleEndian.AppendUint64(append(central, both...), at)
			b = append(b, head("PK\x03\x04", both)...)
			b = append(append(append(b, e[0]+"\x01\x00\x10\x00"...), both...), e[1]...)
		}
		at, n := uint64(len(b)), uint64(len(central))
		b = append(b, central...)
		end := uint64(len(b))
		b = append(b, "PK\x06\x06\x2c\x00\x00\x00\x00\x00\x00\x00\x2d\x00\x2d\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
		for _, v := range []uint64{3, 3, n, at} {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
		b = binary.LittleEndian.AppendUint64(append(b, "PK\x06\x07\x00\x00\x00\x00"...), end)
		b = append(b, "\x01\x00\x00\x00PK\x05\x06\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00"...)
		f, err := Parse("c.pt", b)
		if err != nil || fmt.Sprint(f.Names()) != "[w]" {
			t.Fatalf("%q: %v, %v", root, f, err)
		}
		readAll(t, f, 24)
	}
}

// The three files were written by PyTorch.
func TestATrainersCheckpointIsRead(t *testing.T) {
	f := open(t, "testdata/trainer.pt")
	if got := fmt.Sprint(f.Names()); got != "[weight wide]" {
		t.Errorf("names %s", got)
	}
	if want := map[string]string{"steps": "torch.LongStorage", "small": "torch.float8_e4m3fn"}; !maps.Equal(f.Foreign(), want) {
		t.Errorf("foreign %v, want %v", f.Foreign(), want)
	}
	for name, want := range map[string][]float32{"weight": nil, "wide": {1.5, 2.5}} {
		ten, _ := f.Lookup(name)
		got, err := ten.Float32()
		if want == nil { // the optimizer took a step from 0, 1, 2, ... with each gradient 1
			for i := range got {
				got[i] = float32(math.Round(float64(got[i])))
			}
			want = []float32{0, 1, 2, 3, 4, 5}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is %v, %v, want %v", name, got, err, want)
		}
	}
	if len(f.Notes) != 2 || f.Notes[0] != `took the tensors under "model"; there are others under "ema"` || !strings.Contains(f.Notes[1], "nothing of it was constructed or called") {
		t.Errorf("said %q", f.Notes)
	}
	for name, want := range map[string]string{
		"testdata/legacy.pt": "before 1.6 is not supported: load it with PyTorch and torch.save it again",
		"testdata/script.pt": "a TorchScript archive holds a program, which is never run",
	} {
		if _, err := Open(name); err == nil || !strings.HasPrefix(err.Error(), name+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func FuzzTorch(f *testing.F) {
	for _, name := range []string{"fixture.pt", "trainer.pt", "legacy.pt", "script.pt"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
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
	for _, value := range trainerValues {
		f.Add([]byte("\x80\x04}" + word("state_dict") + body(rebuild("FloatStorage", 6, 0, []int{6}, []int{1})) + "s" + word("extra") + value + "s."))
	}
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
