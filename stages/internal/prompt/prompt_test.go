package prompt

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

func TestBoxAndPointsMakeOnePrompt(t *testing.T) {
	o := Options{Box: []float64{10.5, 20, 30, 40.25}, Points: [][]float64{{15, 25}, {11, 59, 0}}}
	set, warnings, err := o.Load(100, 80)
	if err != nil || len(warnings) != 0 {
		t.Fatal(warnings, err)
	}
	prompts, objects := set.At(0)
	want := []token.Prompt{{
		Object: 1,
		Box:    &token.Box{X0: 10.5, Y0: 20, X1: 40.5, Y1: 60.25},
		Points: []token.Point{{X: 15, Y: 25, Label: 1}, {X: 11, Y: 59, Label: 0}},
	}}
	if d := cmp.Diff(want, prompts); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int{1}, objects); d != "" {
		t.Error(d)
	}
	if prompts, objects = set.At(1); len(prompts) != 0 || len(objects) != 1 {
		t.Errorf("frame 1 has prompts %v of objects %v", prompts, objects)
	}
}

func TestBoxPartlyOutsideIsClippedWithAWarning(t *testing.T) {
	set, warnings, err := (&Options{Box: []float64{-10, 50, 30, 100}}).Load(100, 80)
	if err != nil {
		t.Fatal(err)
	}
	prompts, _ := set.At(0)
	if got, want := *prompts[0].Box, (token.Box{X0: 0, Y0: 50, X1: 20, Y1: 80}); got != want {
		t.Errorf("box %v, want %v", got, want)
	}
	want := []string{"box -10,50,30,100 of object 1 on frame 0 reaches outside the 100x80 frame: clipped to 0,50,20,30"}
	if d := cmp.Diff(want, warnings); d != "" {
		t.Error(d)
	}
}

func TestWrongPromptsAreOneClearError(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	mask := func(pix ...uint8) graph.Path {
		return graph.Path(writePNG(t, &image.Gray{Pix: pix, Stride: 2, Rect: image.Rect(0, 0, 2, len(pix)/2)}))
	}
	text := filepath.Join(t.TempDir(), "text.png")
	if err := os.WriteFile(text, []byte("not a picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		options Options
		kind    graph.Kind
		message string
	}{
		"nothing":           {Options{}, graph.BadConfig, "no prompt: give --box x,y,w,h, --point x,y, --mask file.png or --prompts file.json"},
		"box of three":      {Options{Box: []float64{1, 2, 3}}, graph.BadConfig, "box: want [x, y, width, height], not 3 numbers"},
		"box outside":       {Options{Box: []float64{100, 0, 5, 5}}, graph.BadData, "box 100,0,5,5 of object 1 on frame 0 lies outside the 100x80 frame"},
		"box above":         {Options{Box: []float64{0, -5, 5, 5}}, graph.BadData, "lies outside the 100x80 frame"},
		"no width":          {Options{Box: []float64{1, 1, 0, 5}}, graph.BadData, "box 1,1,0,5 of object 1 on frame 0: width and height must be above zero, inside the 100x80 frame"},
		"negative height":   {Options{Box: []float64{1, 1, 5, -5}}, graph.BadData, "must be above zero"},
		"not a number":      {Options{Box: []float64{nan, 1, 5, 5}}, graph.BadData, "box NaN,1,5,5"},
		"infinite":          {Options{Box: []float64{1, 1, inf, 5}}, graph.BadData, "box 1,1,+Inf,5"},
		"huge":              {Options{Box: []float64{1e300, 1, 1e300, 5}}, graph.BadData, "lies outside"},
		"point of one":      {Options{Points: [][]float64{{1}}}, graph.BadConfig, "points: point 0: want [x, y] or [x, y, label], not 1 numbers"},
		"label":             {Options{Points: [][]float64{{1, 2}, {1, 2, 3}}}, graph.BadConfig, "points: point 1: label 3 is neither"},
		"point outside":     {Options{Points: [][]float64{{101, 2}}}, graph.BadData, "point 101,2 of object 1 on frame 0 lies outside the 100x80 frame"},
		"mask and box":      {Options{Mask: "m.png", Box: []float64{1, 1, 5, 5}}, graph.BadConfig, "mask: a mask excludes box and points"},
		"file and box":      {Options{Prompts: "p.json", Box: []float64{1, 1, 5, 5}}, graph.BadConfig, "prompts: a file of prompts excludes"},
		"no such mask":      {Options{Mask: "/nowhere/m.png"}, graph.BadData, "/nowhere/m.png"},
		"no such file":      {Options{Prompts: "/nowhere/p.json"}, graph.BadData, "/nowhere/p.json"},
		"mask of no format": {Options{Mask: graph.Path(text)}, graph.BadData, "text.png: is text, not a PNG picture"},
		"mask size":         {Options{Mask: mask(1, 0, 0, 0)}, graph.BadData, "the mask is 2x2, the frame 100x80"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := c.options.Load(100, 80)
			if err == nil || graph.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.message) {
				t.Errorf("kind %d: %v\nwant kind %d with %q", graph.KindOf(err), err, c.kind, c.message)
			}
		})
	}
	if _, _, err := (&Options{Mask: mask(1, 0, 0, 0)}).Load(2, 3); err == nil || !strings.Contains(err.Error(), "the mask is 2x2, the frame 2x3") {
		t.Errorf("a mask of another height: %v", err)
	}
	if _, _, err := (&Options{Mask: mask(0, 0, 0, 0)}).Load(2, 2); err == nil || !strings.Contains(err.Error(), "every pixel of the mask is zero") {
		t.Errorf("an empty mask: %v", err)
	}
}

// What each kind of picture says of its pixels, as objects.
func TestAMaskHoldsNumbersOrOneObjectFromHalfOn(t *testing.T) {
	rect := image.Rect(0, 0, 4, 1)
	paletted := func(palette color.Palette, pix ...uint8) image.Image {
		return &image.Paletted{Pix: pix, Stride: 4, Rect: rect, Palette: palette}
	}
	grey := func(pix ...uint8) image.Image { return &image.Gray{Pix: pix, Stride: 4, Rect: rect} }
	grey16 := func(pix ...uint16) image.Image {
		m := image.NewGray16(rect)
		for x, v := range pix {
			m.SetGray16(x, 0, color.Gray16{Y: v})
		}
		return m
	}
	colours := func(pix ...color.NRGBA) image.Image {
		m := image.NewNRGBA(rect)
		for x, c := range pix {
			m.SetNRGBA(x, 0, c)
		}
		return m
	}
	davis, ramp := color.Palette{}, color.Palette{}
	for i := range 256 {
		davis = append(davis, color.RGBA{uint8(i & 1 << 7), uint8(i & 2 << 6), uint8(i & 4 << 5), 255})
		ramp = append(ramp, color.RGBA{uint8(min(i*60, 255)), uint8(min(i*60, 255)), uint8(min(i*60, 255)), 255})
	}
	black, white := color.NRGBA{A: 255}, color.NRGBA{255, 255, 255, 255}
	for name, c := range map[string]struct {
		img  image.Image
		want string // the object of each pixel
		note string // or error
	}{
		"davis":               {paletted(davis, 0, 1, 2, 3), "0123", ""},
		"one number":          {paletted(davis, 0, 5, 5, 0), "0550", ""},
		"davis 2016":          {paletted(davis, 0, 255, 255, 0), "0110", ""},
		"void":                {paletted(davis, 0, 1, 2, 255), "0120", "1 pixels are 255 beside objects 1, 2"},
		"a palette of greys":  {paletted(ramp, 0, 1, 3, 4), "0011", "1 pixels of the mask lie between 0 and half of 255: from 128 on"},
		"grey numbers":        {grey(0, 1, 2, 3), "0123", ""},
		"grey void":           {grey(0, 1, 2, 255), "0120", "1 pixels are 255"},
		"black and white":     {grey(0, 255, 255, 0), "0110", ""},
		"zero and one":        {grey(0, 1, 1, 0), "0110", ""},
		"soft":                {grey(0, 127, 128, 255), "0011", "1 pixels of the mask lie between"},
		"sixteen bits":        {grey16(0, 0x7fff, 0x8000, 0xffff), "0011", "half of 65535: from 32768 on"},
		"sixteen bit numbers": {grey16(0, 1, 2, 2), "0122", ""},
		"too dark":            {grey16(0, 1001, 1002, 0), "", "no pixel of the mask reaches half of 65535: there are 1001, 1002"},
		"white in colours":    {colours(black, white, white, black), "0110", ""},
		"davis in colours":    {colours(black, color.NRGBA{128, 0, 0, 255}, color.NRGBA{0, 128, 0, 255}, color.NRGBA{128, 128, 0, 255}), "0123", ""},
		"one colour, soft":    {colours(black, color.NRGBA{100, 50, 0, 255}, color.NRGBA{200, 100, 0, 255}, color.NRGBA{254, 127, 0, 255}), "0011", "1 pixels of the mask lie between"},
		"several colours":     {colours(black, color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 0, 255}, black), "", "the mask has 2 colours that are not those of the DAVIS palette (#00ff00, #ff0000)"},
		"cut out":             {colours(color.NRGBA{}, color.NRGBA{9, 80, 3, 255}, color.NRGBA{200, 1, 90, 128}, color.NRGBA{A: 127}), "0110", "1 pixels of the mask lie between"},
		"nothing":             {grey(0, 0, 0, 0), "", "every pixel of the mask is zero"},
	} {
		t.Run(name, func(t *testing.T) {
			set, warnings, err := (&Options{Mask: graph.Path(writePNG(t, c.img))}).Load(4, 1)
			if c.want == "" {
				if err == nil || graph.KindOf(err) != graph.BadData || !strings.Contains(err.Error(), c.note) {
					t.Fatalf("%v, want %q", err, c.note)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := []byte("0000")
			prompts, _ := set.At(0)
			for _, p := range prompts {
				for i, v := range p.Mask.Pix {
					got[i] += v * uint8(p.Object)
				}
			}
			if note := strings.Join(warnings, ""); string(got) != c.want || !strings.Contains(note, c.note) || (note == "") != (c.note == "") {
				t.Errorf("objects %s, want %s; warnings %q, want %q", got, c.want, warnings, c.note)
			}
		})
	}
}

func TestAMaskOfSeveralObjectsPromptsThemAll(t *testing.T) {
	dir := t.TempDir()
	if err := os.Rename(writePNG(t, &image.Gray{Pix: []uint8{0, 2, 4, 4}, Stride: 2, Rect: image.Rect(0, 0, 2, 2)}), filepath.Join(dir, "m.png")); err != nil {
		t.Fatal(err)
	}
	load := func(text string) (*Set, error) {
		path := filepath.Join(dir, "p.json")
		os.WriteFile(path, []byte(text), 0o666)
		set, _, err := (&Options{Prompts: graph.Path(path)}).Load(2, 2)
		return set, err
	}
	set, err := load(`{"prompts": [{"frame": 3, "mask": "m.png"}, {"box": [0, 0, 1, 1]}]}`)
	if err != nil || !reflect.DeepEqual(set.Objects(), []int{1, 2, 4}) {
		t.Fatal(set, err)
	}
	if prompts, _ := set.At(3); len(prompts) != 2 || !reflect.DeepEqual(prompts[1].Mask.Pix, []uint8{0, 0, 1, 1}) {
		t.Error(prompts)
	}
	if _, err := load(`{"prompts": [{"object": 7, "mask": "m.png"}]}`); err == nil || !strings.Contains(err.Error(), `m.png holds objects 2, 4: leave "object" out`) {
		t.Error(err)
	}
	if _, err := load(`{"prompts": [{"mask": "m.png"},` + "\n" + `{"object": 4, "box": [0, 0, 1, 1]}]}`); err == nil || !strings.Contains(err.Error(), "object 4 has two prompts on frame 0") {
		t.Error(err)
	}
}

func TestABoxInAnotherFormIsAskedAbout(t *testing.T) {
	for _, c := range []struct {
		box  []float64
		want string
	}{
		{[]float64{140, 60, 200, 120}, "; is this x0,y0,x1,y1? then it is 140,60,60,60 as x,y,w,h"},
		{[]float64{240, 160, 300, 220}, "; is this x0,y0,x1,y1? then it is 240,160,60,60 as x,y,w,h"},
		{[]float64{0.25, 0.5, 0.5, 0.25}, "; are these fractions of the frame? then it is 80,120,160,60 in pixels"},
		{[]float64{40, 60, 60, 60}, ""},
		{[]float64{-10, 60, 400, 60}, "clipped to 0,60,320,60"},
		{[]float64{100, 60, 10, 10}, ""},
	} {
		_, warnings, err := (&Options{Box: c.box}).Load(320, 240)
		if got := strings.Join(warnings, "|"); err != nil || !strings.HasSuffix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%v: %q, %v; want %q", c.box, got, err, c.want)
		}
	}
}

func TestAFileMayBeginWithAByteOrderMark(t *testing.T) {
	if entries, err := parseFile("p.json", []byte("\xef\xbb\xbf{\"prompts\": [{\"box\": [1,2,3,4]}]}\r\n")); err != nil || len(entries) != 1 {
		t.Error(entries, err)
	}
	if _, err := parseFile("p.json", []byte("\xff\xfe{\x00")); err == nil || err.Error() != "p.json: is UTF-16 text: save it as UTF-8" {
		t.Error(err)
	}
}

func TestFileHoldsSeveralObjectsOnAnyFrame(t *testing.T) {
	dir := t.TempDir()
	mask := writePNG(t, &image.Gray{Pix: []uint8{0, 1, 1, 1}, Stride: 2, Rect: image.Rect(0, 0, 2, 2)})
	if err := os.Rename(mask, filepath.Join(dir, "third.png")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "prompts.json")
	text := `{"prompts": [
	  {"object": 7, "frame": 30, "points": [[1, 0.5], [0, 0, 0]]},
	  {"object": 3, "frame": 30, "mask": "third.png"},
	  {"box": [0, 0, 1, 4]},
	  {"object": 3, "frame": 40, "box": [0, 1, 1, 1], "points": [[1, 1, 1]]}
	]}`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	set, warnings, err := (&Options{Prompts: graph.Path(path)}).Load(2, 2)
	if err != nil {
		t.Fatal(err)
	}
	if want := path + ":4: box 0,0,1,4 of object 1 on frame 0 reaches outside the 2x2 frame: clipped to 0,0,1,2"; len(warnings) != 1 || warnings[0] != want {
		t.Errorf("warnings %q, want %q", warnings, want)
	}
	type at struct {
		Prompts []token.Prompt
		Objects []int
	}
	for frame, want := range map[int]at{
		0:  {[]token.Prompt{{Object: 1, Box: &token.Box{X1: 1, Y1: 2}}}, []int{1}},
		29: {nil, []int{1}},
		30: {[]token.Prompt{
			{Object: 3, Mask: &token.Mask{W: 2, H: 2, Pix: []uint8{0, 1, 1, 1}}},
			{Object: 7, Points: []token.Point{{X: 1, Y: 0.5, Label: 1}, {Label: 0}}},
		}, []int{1, 3, 7}},
		40: {[]token.Prompt{{Object: 3, Box: &token.Box{Y0: 1, X1: 1, Y1: 2}, Points: []token.Point{{X: 1, Y: 1, Label: 1}}}}, []int{1, 3, 7}},
	} {
		prompts, objects := set.At(frame)
		if d := cmp.Diff(want, at{prompts, objects}); d != "" {
			t.Errorf("frame %d: %s", frame, d)
		}
	}
	if set.Last() != 40 || !reflect.DeepEqual(set.Objects(), []int{1, 3, 7}) {
		t.Errorf("last %d, objects %v", set.Last(), set.Objects())
	}
}

func TestFirstStandsOnFrameZero(t *testing.T) {
	set := First([]token.Prompt{{Object: 2, Box: &token.Box{X1: 1, Y1: 1}}, {Object: 5, Box: &token.Box{X1: 2, Y1: 2}}})
	prompts, objects := set.At(0)
	if len(prompts) != 2 || !reflect.DeepEqual(objects, []int{2, 5}) || set.Last() != 0 {
		t.Errorf("prompts %v, objects %v, last %d", prompts, objects, set.Last())
	}
	if prompts, objects = set.At(3); len(prompts) != 0 || len(objects) != 2 {
		t.Errorf("frame 3: prompts %v, objects %v", prompts, objects)
	}
	if none := First(nil); none.Last() != -1 || len(none.Objects()) != 0 {
		t.Errorf("no prompts: last %d, objects %v", none.Last(), none.Objects())
	}
}

func TestFileErrorsNameTheLine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "p.json:1: the file ends too early"},
		{"[]", "p.json:1: want an object, not []"},
		{"{\n\"prompts\": [\n", "p.json:3: the file ends too early"},
		{"{\"prompts\": []}", "p.json:1: no prompts"},
		{"{\n\"prompt\": []}", `p.json:2: unknown key "prompt": want prompts`},
		{"{\"prompts\": [\n{\"box\": [1,2,3,4], \"lable\": 1}]}", `p.json:2: unknown key "lable"`},
		{"{\"prompts\": [\n{\"box\": [1,2,3,4],\n\"box\": [1,2,3,4]}]}", `p.json:3: "box" is there twice`},
		{"{\"prompts\": [\n\n{\"box\": [1,2,3]}]}", "p.json:3: box: want [x, y, width, height], not 3 numbers"},
		{"{\"prompts\": [{\"box\": [1,2,3,null]}]}", "p.json:1: box: want [x, y, width, height], not [1,2,3,null]"},
		{"{\"prompts\": [{\"box\": [1,2,3,\n4],\n}]}", "p.json:3: invalid character '}'"},
		{"{\"prompts\": [{\"object\": 0, \"box\": [1,2,3,4]}]}", "object 0 is not from 1 to 255"},
		{"{\"prompts\": [{\"object\": 1.5, \"box\": [1,2,3,4]}]}", "object: want a whole number, not 1.5"},
		{"{\"prompts\": [{\"frame\": -1, \"box\": [1,2,3,4]}]}", "frame -1 is negative"},
		{"{\"prompts\": [{\"frame\": 99999999999999999999, \"box\": [1,2,3,4]}]}", "frame: want a whole number"},
		{"{\"prompts\": [\n{\"frame\": 1}]}", "p.json:2: a prompt needs a box, points or a mask"},
		{"{\"prompts\": [{\"points\": []}]}", "points: want at least one"},
		{"{\"prompts\": [{\"points\": [[1,2,5]]}]}", "points: point 0: label 5 is neither"},
		{"{\"prompts\": [{\"mask\": \"\"}]}", "mask: want the path of a PNG"},
		{"{\"prompts\": [{\"mask\": \"m.png\", \"box\": [1,2,3,4]}]}", "a mask excludes box and points"},
		{"{\"prompts\": [{\"box\": [1,2,3,4]},\n{\"points\": [[1,2]]}]}", "p.json:2: object 1 has two prompts on frame 0"},
		{"{\"prompts\": [{\"box\": [1,2,3,4]}]}\n{}", `p.json:1: "{}" follows the end`},
	} {
		if _, err := parseFile("p.json", []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n\tgives %v\n\twant  %s", c.text, err, c.want)
		}
	}
}

func TestCommandLineForms(t *testing.T) {
	if got, err := ParseBox("520, 260.5,200,210"); err != nil || !reflect.DeepEqual(got, []float64{520, 260.5, 200, 210}) {
		t.Error(got, err)
	}
	if got, err := ParsePoint("3,4"); err != nil || !reflect.DeepEqual(got, []float64{3, 4}) {
		t.Error(got, err)
	}
	if got, err := ParsePoint("3,4,0"); err != nil || !reflect.DeepEqual(got, []float64{3, 4, 0}) {
		t.Error(got, err)
	}
	for _, text := range []string{"", "1,2,3", "1,2,3,4,5", "1,2,x,4", "1,2,nan,4", "1,2,inf,4", "1;2;3;4"} {
		if got, err := ParseBox(text); err == nil || !strings.Contains(err.Error(), "want x,y,w,h") {
			t.Errorf("box %q gives %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1", "1,2,3", "1,2,0.5", "1,2,1,1"} {
		if got, err := ParsePoint(text); err == nil || !strings.Contains(err.Error(), "want x,y or x,y,label") {
			t.Errorf("point %q gives %v, %v", text, got, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add([]byte(`{"prompts":[{"object":1,"frame":0,"box":[520,260,200,210],"points":[[1,2,0]]},{"object":2,"mask":"m.png"}]}`))
	f.Add([]byte(`{"prompts":[{"points":[[1,2],[3,4,1]],"frame":3}]}`))
	f.Add([]byte(`{"prompts":[[[[{"box":null}]]]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parseFile("p.json", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "p.json:") {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		for _, e := range entries {
			if e.mask != "" {
				continue
			}
			p, _, err := e.prompt(640, 480)
			if err != nil {
				continue
			}
			if b := p.Box; b != nil && !(0 <= b.X0 && b.X0 < b.X1 && b.X1 <= 640 && 0 <= b.Y0 && b.Y0 < b.Y1 && b.Y1 <= 480) {
				t.Fatalf("box %v is not inside the frame", *b)
			}
			for _, at := range p.Points {
				if !(0 <= at.X && at.X <= 640 && 0 <= at.Y && at.Y <= 480) || at.Label&^1 != 0 {
					t.Fatalf("point %v", at)
				}
			}
		}
	})
}

func FuzzMask(f *testing.F) {
	var b bytes.Buffer
	if err := png.Encode(&b, &image.Gray{Pix: []uint8{0, 1, 1, 1}, Stride: 2, Rect: image.Rect(0, 0, 2, 2)}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, _, err := parseMask("m.png", data, 2, 2); err == nil && (len(m.numbers()) != 4 || len(m.ids) == 0) {
			t.Fatalf("mask %v", m)
		}
	})
}

func writePNG(t *testing.T, img image.Image) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mask.png")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
	return path
}
