package images

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/prompt"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

func TestEveryPixelEqualsPillow(t *testing.T) {
	expected, err := filepath.Glob("testdata/*.rgb.png")
	if err != nil || len(expected) < 14 {
		t.Fatal(len(expected), err)
	}
	for _, want := range expected {
		var path string
		for _, ext := range []string{".jpg", ".png"} {
			if p := strings.TrimSuffix(want, ".rgb.png") + ext; fileExists(p) {
				path = p
			}
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, _ := os.ReadFile(path)
			w, h, err := size(data)
			if err != nil {
				t.Fatal(err)
			}
			got, err := decode(data, w, h)
			if err != nil {
				t.Fatal(err)
			}
			f, _ := os.Open(want)
			defer f.Close()
			img, err := png.Decode(f)
			if err != nil || img.Bounds() != image.Rect(0, 0, w, h) {
				t.Fatal(img.Bounds(), w, h, err)
			}
			for y := range h {
				for x := range w {
					c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
					if p := got[(y*w+x)*3:]; p[0] != c.R || p[1] != c.G || p[2] != c.B {
						t.Fatalf("pixel %d,%d is %v, Pillow has %v", x, y, p[:3], c)
					}
				}
			}
		})
	}
}

func fileExists(path string) bool { _, err := os.Stat(path); return err == nil }

func TestSixteenBitGrayKeepsItsUpperByte(t *testing.T) {
	m := image.NewGray16(image.Rect(0, 0, 2, 1))
	m.SetGray16(0, 0, color.Gray16{Y: 0x1234})
	m.SetGray16(1, 0, color.Gray16{Y: 0xfedc})
	var b bytes.Buffer
	png.Encode(&b, m)
	rgb, err := decode(b.Bytes(), 2, 1)
	if want := []uint8{0x12, 0x12, 0x12, 0xfe, 0xfe, 0xfe}; err != nil || !slices.Equal(rgb, want) {
		t.Errorf("%x, %v; want %x", rgb, err, want)
	}
}

func TestNaturalOrder(t *testing.T) {
	want := []string{"00001.jpg", "2.jpg", "10.jpg", "a.jpg", "frame2.jpg", "frame2b.jpg", "frame010.jpg", "frame10.jpg", "frame10.png", "frame99999999999999999999.jpg", "frame100000000000000000000.jpg", "x1y2.jpg", "x1y10.jpg"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, natural)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !(natural("frame2", "frame10") < 0 && natural("frame10", "frame2") > 0 && natural("9", "10") < 0 && natural("a", "a") == 0) {
		t.Error("numbers are not ordered by value")
	}
}

// folder makes a folder of copies: name in the folder <- fixture.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, fixture := range files {
		var data []byte
		if fixture != "" {
			var err error
			if data, err = os.ReadFile("testdata/" + fixture); err != nil {
				t.Fatal(err)
			}
		}
		os.WriteFile(filepath.Join(dir, name), data, 0o666)
	}
	return dir
}

func deliver(t *testing.T, o Options) ([]*token.Frame, error) {
	t.Helper()
	if o.FPS == 0 {
		o.FPS = 30
	}
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	node, err := Stage.Open(&graph.Env{Log: zerolog.Nop()}, &o)
	if err != nil {
		return nil, err
	}
	var frames []*token.Frame
	err = node.Run(t.Context(), func(out any) error {
		frames = append(frames, out.(*Out).Frame)
		return nil
	})
	return frames, err
}

func TestFolderIsAVideo(t *testing.T) {
	dir := folder(t, map[string]string{"f10.JPG": "j420.jpg", "f2.jpeg": "j444.jpg", "f1.Png": "j420.rgb.png", "notes.txt": "", ".f3.jpg": ""})
	frames, err := deliver(t, Options{Path: graph.Path(dir), FPS: 29.97, Options: prompt.Options{Box: []float64{1, 2, 3, 4}}})
	if err != nil || len(frames) != 3 {
		t.Fatal(len(frames), err)
	}
	for i, name := range []string{"f1", "f2", "f10"} {
		f := frames[i]
		if f.Name != name || f.Index != i || f.PTS != int64(i) || f.Duration != 1 || len(f.RGB) != 48*32*3 || len(f.Objects) != 1 {
			t.Errorf("frame %d: %+v", i, *f.Header)
		}
	}
	if s := frames[0].Stream; s.Frames != 3 || s.Rate != (token.Ratio{Num: 2997, Den: 100}) || s.TimeBase != (token.Ratio{Num: 100, Den: 2997}) {
		t.Errorf("stream %+v", *s)
	}
	frames, err = deliver(t, Options{Path: graph.Path(dir), Start: 1, Frames: 1})
	if err != nil || len(frames) != 1 || frames[0].Name != "f2" || frames[0].Index != 0 || frames[0].Stream.Frames != 1 {
		t.Error("start and frames:", len(frames), err)
	}
	p, err := Stage.Probe(&graph.Env{}, &Options{Path: graph.Path(dir), FPS: 25})
	if want := (graph.Probe{Width: 48, Height: 32, Frames: 3, Rate: 25}); err != nil || p != want {
		t.Errorf("probe %+v, %v; want %+v", p, err, want)
	}
}

func TestBadFoldersGiveOneClearError(t *testing.T) {
	jpg, _ := os.ReadFile("testdata/j420.jpg")
	cut := folder(t, map[string]string{"1.jpg": "j420.jpg"})
	os.WriteFile(filepath.Join(cut, "2.jpg"), jpg[:len(jpg)/2], 0o666)
	bomb := folder(t, nil)
	huge := slices.Clone(jpg)
	at := bytes.Index(huge, []byte{0xff, 0xc0}) + 5
	copy(huge[at:], []byte{0xff, 0xdc, 0xff, 0xdc}) // 65500 x 65500
	os.WriteFile(filepath.Join(bomb, "1.jpg"), huge, 0o666)
	file := filepath.Join(folder(t, map[string]string{"1.jpg": "j420.jpg"}), "1.jpg")
	pipe, device := folder(t, map[string]string{"1.png": "prgb.png"}), folder(t, map[string]string{"1.png": "prgb.png"})
	if err := cmp.Or(syscall.Mkfifo(filepath.Join(pipe, "2.png"), 0o666), os.Symlink("/dev/zero", filepath.Join(device, "2.png"))); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o      Options
		frames int
		want   string
	}{
		"missing": {Options{Path: "no/such"}, 0, "no/such: no such folder"},
		"file":    {Options{Path: graph.Path(file)}, 0, "1.jpg: is not a folder; the decode stage reads videos"},
		"no picture": {Options{Path: graph.Path(folder(t, map[string]string{"a.txt": ""}))}, 0,
			": holds no pictures (.jpg, .jpeg, .png)"},
		"another kind": {Options{Path: graph.Path(folder(t, map[string]string{"1.png": "prgb.png", "2.WebP": "", "3.png": "prgb.png"}))}, 0,
			"2.WebP: is a picture that cannot be read (only .jpg, .jpeg, .png) among 2 that can"},
		"only others": {Options{Path: graph.Path(folder(t, map[string]string{"a.tif": "", "b.BMP": "", "c.txt": ""}))}, 0,
			": holds no pictures that can be read (.jpg, .jpeg, .png): a.tif, b.BMP"},
		"pipe":          {Options{Path: graph.Path(pipe)}, 0, "2.png: is a pipe, not a regular file"},
		"device":        {Options{Path: graph.Path(device)}, 0, "2.png: is a device, not a regular file"},
		"empty picture": {Options{Path: graph.Path(folder(t, map[string]string{"1.jpg": ""}))}, 0, "1.jpg: is empty"},
		"not a picture": {Options{Path: graph.Path(folder(t, map[string]string{"1.jpg": "make.py"}))}, 0, "1.jpg: is text, whatever its name says: pictures are JPEG or PNG"},
		"two sizes": {Options{Path: graph.Path(folder(t, map[string]string{"1.jpg": "j420.jpg", "2.jpg": "j420odd.jpg"}))}, 1,
			"2.jpg: is 37x23, but the pictures before it are 48x32"},
		"twins": {Options{Path: graph.Path(folder(t, map[string]string{"1.jpg": "j420.jpg", "1.png": "prgb.png"}))}, 0,
			"1.jpg and 1.png are one frame's name"},
		"cut":   {Options{Path: graph.Path(cut)}, 1, "2.jpg: Premature end of JPEG file"},
		"bomb":  {Options{Path: graph.Path(bomb)}, 0, "1.jpg: 65500x65500 is too large"},
		"start": {Options{Path: graph.Path(filepath.Dir(file)), Start: 1}, 0, ": start is 1, but there are 1 pictures"},
	} {
		t.Run(name, func(t *testing.T) {
			frames, err := deliver(t, c.o)
			if len(frames) != c.frames || err == nil || graph.KindOf(err) != graph.BadData || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%d frames, then %v; want %d, then BadData with %q", len(frames), err, c.frames, c.want)
			}
		})
	}
}

// exif is Exif data that holds an orientation alone, in one byte order or the other.
func exif(tag uint16, order binary.ByteOrder) []byte {
	head := "II*\x00"
	if order == binary.BigEndian {
		head = "MM\x00*"
	}
	out := append([]byte(head), make([]byte, 22)...)
	order.PutUint32(out[4:], 8)
	order.PutUint16(out[8:], 1)
	order.PutUint16(out[10:], 0x0112)
	order.PutUint16(out[12:], 3)
	order.PutUint32(out[14:], 1)
	order.PutUint16(out[18:], tag)
	return out
}

// Each letter is a pixel: the picture is stored as abc over def.
func TestPicturesAreTurnedAsTheirTagSays(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 3, 2))
	copy(img.Pix, "abcdef")
	var b bytes.Buffer
	png.Encode(&b, img)
	for tag, want := range []string{"abcdef", "abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc", "fcebda", "cfbead", "abcdef"} {
		body := append([]byte("eXIf"), exif(uint16(tag), binary.BigEndian)...)
		chunk := binary.BigEndian.AppendUint32(nil, uint32(len(body)-4))
		chunk = binary.BigEndian.AppendUint32(append(chunk, body...), crc32.ChecksumIEEE(body))
		const header = 8 + 25 // the signature and IHDR
		data := slices.Concat(b.Bytes()[:header], chunk, b.Bytes()[header:])
		w, h, err := size(data)
		if err != nil || (w == 2) != (tag >= 5 && tag <= 8) {
			t.Fatal(tag, w, h, err)
		}
		rgb, err := decode(data, w, h)
		var got []byte
		for i := 0; i < len(rgb); i += 3 {
			got = append(got, rgb[i])
		}
		if err != nil || string(got) != want {
			t.Errorf("tag %d: %s, %v; want %s", tag, got, err, want)
		}
	}
	jpg, _ := os.ReadFile("testdata/j444.jpg")
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		body := append([]byte("Exif\x00\x00"), exif(6, order)...)
		segment := append(binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(body)+2)), body...)
		data := slices.Concat(jpg[:2], segment, jpg[2:])
		w, h, err := size(data)
		if err != nil || w != 32 || h != 48 || orientation(data) != 6 {
			t.Error(order, w, h, orientation(data), err)
		}
		for cut := range len(segment) { // no cut makes it read beyond the end
			orientation(data[:2+cut])
		}
	}
}

func FuzzPicture(f *testing.F) {
	for _, name := range []string{"j420odd.jpg", "jcmyk.jpg", "ppalettetransparent.png", "pone.png"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if w, h, err := size(data); err == nil && w*h < 1<<20 {
			if rgb, err := decode(data, w, h); err == nil && len(rgb) != w*h*3 {
				t.Fatal("wrong size")
			}
		}
	})
}
