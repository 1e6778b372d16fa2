package eval

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/infile"
	"github.com/seed49bbd0e6/tachi/stages/internal/mask"
	"github.com/seed49bbd0e6/tachi/stages/internal/score"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// A truth or a result is a folder of indexed PNGs as in DAVIS (pixel = object, 0 for none), or a
// text of boxes as in LaSOT (x,y,w,h a line). A folder may also hold both, as masks/ and
// groundtruth.txt, with flags of absence in absent.txt, or in full_occlusion.txt and
// out_of_view.txt. What is compared is what both sides have: masks if both have masks, whose boxes
// then give the measures of tracking, else boxes.

// Files compares a result with a truth, object by object, those of the truth's first picture or the
// one given. Boxes are of one object, and its number is 0 when there are no masks.
func Files(truth, result string, object int) (map[int]Scores, error) {
	t, err := openTrack(truth, object)
	if err != nil {
		return nil, err
	}
	r, err := openTrack(result, object)
	if err != nil {
		return nil, err
	}
	if t.masks != "" && r.masks != "" {
		return evalMasks(t.masks, r.masks, object)
	}
	if t.boxes == "" || r.boxes == "" {
		return nil, bad("%s has %s, %s has %s: there is nothing to compare", truth, t, result, r)
	}
	var s Scores
	tb, err := readBoxes(t.boxes)
	if err != nil {
		return nil, err
	}
	rb, err := readBoxes(r.boxes)
	if err != nil {
		return nil, err
	}
	absent, err := readFlags(t.flags, len(tb))
	if err != nil {
		return nil, err
	}
	if err := s.track(tb, rb, absent); err != nil {
		return nil, fmt.Errorf("%s: %w", r.boxes, err)
	}
	return map[int]Scores{object: s}, nil
}

func bad(format string, args ...any) error { return graph.Errorf(graph.BadData, format, args...) }

// files says what a path holds.
type files struct {
	masks string   // folder
	boxes string   // text
	flags []string // texts
}

func (f files) String() string {
	if f.masks != "" {
		return "masks only"
	}
	return "boxes only"
}

// openTrack looks what a path holds. A run on several objects writes tracks-N.txt for each.
func openTrack(path string, object int) (f files, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return f, bad("%w", err)
	}
	if !info.IsDir() {
		return files{boxes: path}, nil
	}
	exists := func(name string) bool { _, err := os.Stat(filepath.Join(path, name)); return err == nil }
	for _, dir := range []string{path, filepath.Join(path, "masks")} {
		if found, _ := filepath.Glob(filepath.Join(escape(dir), "*.png")); len(found) > 0 && f.masks == "" {
			f.masks = dir
		}
	}
	for _, name := range []string{"groundtruth.txt", "tracks.txt", fmt.Sprintf("tracks-%d.txt", object)} {
		if exists(name) && f.boxes == "" {
			f.boxes = filepath.Join(path, name)
		}
	}
	if several, _ := filepath.Glob(filepath.Join(escape(path), "tracks-*.txt")); f.boxes == "" && f.masks == "" && len(several) > 0 {
		return f, bad("%s: has the tracks of %d objects, say which one with --object N", path, len(several))
	}
	for _, name := range []string{"absent.txt", "full_occlusion.txt", "out_of_view.txt"} {
		if exists(name) {
			f.flags = append(f.flags, filepath.Join(path, name))
		}
	}
	if f.masks == "" && f.boxes == "" {
		return f, bad("%s: no *.png, masks/*.png, groundtruth.txt or tracks.txt in it", path)
	}
	return f, nil
}

// escape makes a path a pattern that matches itself.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// evalMasks compares two folders of pictures, one for each frame, by name.
func evalMasks(truth, result string, object int) (map[int]Scores, error) {
	names, err := pictures(truth)
	if err != nil {
		return nil, err
	}
	others, err := pictures(result)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if !slices.Contains(others, n) {
			return nil, bad("%s: frame %s is missing: the truth has %d frames, the result %d", result, n, len(names), len(others))
		}
	}
	if len(others) > len(names) {
		return nil, bad("%s has %d frames, the truth has %d", result, len(others), len(names))
	}
	var objects []int
	j := map[int][]float64{}
	boxes := map[int]*[2][]score.Box{}
	for i, n := range names {
		t, err := readMask(filepath.Join(truth, n))
		if err != nil {
			return nil, err
		}
		r, err := readMask(filepath.Join(result, n))
		if err != nil {
			return nil, err
		}
		if r.W != t.W || r.H != t.H {
			return nil, bad("%s is %dx%d, the truth is %dx%d", filepath.Join(result, n), r.W, r.H, t.W, t.H)
		}
		if i == 0 {
			if objects, err = objectsOf(t, object, filepath.Join(truth, n)); err != nil {
				return nil, err
			}
			for _, o := range objects {
				boxes[o] = &[2][]score.Box{}
			}
		}
		for _, o := range objects {
			a, b := only(t, o), only(r, o)
			j[o] = append(j[o], score.IoU(a.Pix, b.Pix))
			boxes[o][0], boxes[o][1] = append(boxes[o][0], a.Box()), append(boxes[o][1], b.Box())
		}
	}
	out := map[int]Scores{}
	for _, o := range objects {
		var s Scores
		if err := s.region(j[o]); err != nil {
			return nil, fmt.Errorf("%s: %w", truth, err)
		}
		if err := s.track(boxes[o][0], boxes[o][1], nil); err != nil {
			return nil, fmt.Errorf("%s: object %d: %w", truth, o, err)
		}
		out[o] = s
	}
	return out, nil
}

// pictures lists the names of a folder's PNGs.
func pictures(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, bad("%w", err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".png" {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// readMask reads the indices of a palette picture, or the levels of a grey one.
func readMask(path string) (*token.Mask, error) {
	data, err := infile.ReadFile(path, 1<<30)
	if err != nil {
		return nil, err
	}
	img, err := mask.DecodePNG(data, mask.Bounded)
	if err != nil {
		return nil, bad("%s: %w", path, err)
	}
	var pix []uint8
	stride := 0
	switch p := img.(type) {
	case *image.Paletted:
		pix, stride = p.Pix, p.Stride
	case *image.Gray:
		pix, stride = p.Pix, p.Stride
	default:
		return nil, bad("%s: not an indexed or 8-bit grey picture", path)
	}
	m := &token.Mask{W: img.Bounds().Dx(), H: img.Bounds().Dy()}
	for y := range m.H {
		m.Pix = append(m.Pix, pix[y*stride:][:m.W]...)
	}
	return m, nil
}

// objectsOf returns the objects to score: the one asked for, or all of the first picture.
func objectsOf(m *token.Mask, object int, path string) (objects []int, err error) {
	for _, p := range m.Pix {
		if o := int(p); o != 0 && (object == 0 || o == object) && !slices.Contains(objects, o) {
			objects = append(objects, o)
		}
	}
	if len(objects) == 0 && object != 0 {
		return nil, bad("%s: object %d is not in the first frame", path, object)
	}
	if len(objects) == 0 {
		return nil, bad("%s: no object in the first frame", path)
	}
	slices.Sort(objects)
	return objects, nil
}

func only(m *token.Mask, object int) *token.Mask {
	out := &token.Mask{W: m.W, H: m.H, Pix: make([]uint8, len(m.Pix))}
	for i, p := range m.Pix {
		if int(p) == object {
			out.Pix[i] = 1
		}
	}
	return out
}

// readBoxes reads x,y,w,h a line, with commas, tabs or spaces between.
func readBoxes(path string) (boxes []score.Box, err error) {
	data, err := readText(path)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(strings.TrimRight(string(data), "\r\n"), "\n") {
		words := fields(line)
		if len(words) != 4 {
			return nil, bad("%s:%d: want x,y,w,h, not %s", path, i+1, infile.Brief(line))
		}
		var b [4]float64
		for k, w := range words {
			if b[k], err = strconv.ParseFloat(w, 64); err != nil {
				return nil, bad("%s:%d: %s is no number", path, i+1, infile.Brief(w))
			}
			if b[k] != b[k] {
				b[k] = 0 // NaN: no box
			}
		}
		boxes = append(boxes, mask.XYWH(b[0], b[1], b[2], b[3]))
	}
	return boxes, nil
}

// readFlags reads one flag a frame from each file and joins them with or; nil without files.
func readFlags(paths []string, frames int) (flags []bool, err error) {
	for _, path := range paths {
		data, err := readText(path)
		if err != nil {
			return nil, err
		}
		words := fields(string(data))
		if len(words) != frames {
			return nil, bad("%s: %d flags for %d frames", path, len(words), frames)
		}
		if flags == nil {
			flags = make([]bool, frames)
		}
		for i, w := range words {
			if w != "0" && w != "1" {
				return nil, bad("%s: flag %d is %s, not 0 or 1", path, i+1, infile.Brief(w))
			}
			flags[i] = flags[i] || w == "1"
		}
	}
	return flags, nil
}

// readText reads a text file, with or without a byte order mark.
func readText(path string) ([]byte, error) {
	data, err := infile.ReadFile(path, 1<<28)
	if err != nil {
		return nil, err
	}
	if data, err = infile.Text(data); err != nil {
		return nil, bad("%s: %w", path, err)
	}
	return data, nil
}

func fields(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
}
