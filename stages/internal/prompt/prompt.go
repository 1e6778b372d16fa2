// Package prompt says where objects are: it turns a user's boxes, points, masks and prompt files
// into the prompts that frames carry.
//
// Coordinates are stored pixels of the upright picture, 0-based, fractions allowed; a box is
// x,y,w,h. Options is embedded in the options of sources. What can be wrong without seeing the
// video is an error of the options; the rest is checked by Load, against the frame's size.
package prompt

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// MaxObject is the highest object number: objects are numbered as in an indexed mask picture, whose
// 0 is background.
const MaxObject = 255

// Options are the prompts of a source. Box, Points and Mask speak of object 1 on frame 0.
type Options struct {
	Box     []float64   `toml:"box" doc:"the object on frame 0: [x, y, width, height] in stored pixels of the upright picture, fractions allowed"`
	Points  [][]float64 `toml:"points" doc:"clicks on frame 0, after the box if there is one: [[x, y, label], ...]; label 1 (the default) is on the object, 0 off it"`
	Mask    graph.Path  `toml:"mask" doc:"the object on frame 0 as a PNG of the frame's size, black and white, from half of the greatest value on; or several objects, as in DAVIS: pixels are their numbers. Excludes box and points"`
	Prompts graph.Path  `toml:"prompts" doc:"a JSON file with prompts for several objects on any frame; excludes box, points and mask"`
}

// Validate checks what needs no video.
func (o *Options) Validate() error {
	complain := func(key, format string, args ...any) error {
		return &graph.OptionError{Key: key, Msg: fmt.Sprintf(format, args...)}
	}
	here := len(o.Box) > 0 || len(o.Points) > 0 || o.Mask != ""
	switch {
	case len(o.Box) != 0 && len(o.Box) != 4:
		return complain("box", "want [x, y, width, height], not %d numbers", len(o.Box))
	case o.Mask != "" && (len(o.Box) > 0 || len(o.Points) > 0):
		return complain("mask", "a mask excludes box and points")
	case o.Prompts != "" && here:
		return complain("prompts", "a file of prompts excludes box, points and mask")
	}
	for i, p := range o.Points {
		if len(p) != 2 && len(p) != 3 {
			return complain("points", "point %d: want [x, y] or [x, y, label], not %d numbers", i, len(p))
		}
		if len(p) == 3 && p[2] != 0 && p[2] != 1 {
			return complain("points", "point %d: label %v is neither 1 (on the object) nor 0 (off it)", i, p[2])
		}
	}
	return nil
}

// Set is all the prompts of a video; nil has none.
type Set struct {
	prompts []token.Prompt // ordered by frame, then object; a mask that stands in a file is in masks
	frames  []int          // of prompts
	masks   []*maskFile    // of prompts; nil when none has one
	joined  []member       // every object once, by the frame of its first prompt

	file    *maskFile // that was decoded last
	numbers []uint8   // what it holds
}

// member is an object and the frame from which on it exists.
type member struct{ frame, object int }

// add puts a prompt behind those before it.
func (s *Set) add(frame int, p token.Prompt, m *maskFile) {
	s.prompts, s.frames = append(s.prompts, p), append(s.frames, frame)
	if m != nil && s.masks == nil {
		s.masks = make([]*maskFile, len(s.prompts)-1)
	}
	if s.masks != nil {
		s.masks = append(s.masks, m)
	}
	if !slices.ContainsFunc(s.joined, func(o member) bool { return o.object == p.Object }) {
		s.joined = append(s.joined, member{frame, p.Object})
	}
}

// Load reads the prompts for frames of a size. Boxes that reach outside are clipped, which the
// warnings say.
func (o *Options) Load(width, height int) (set *Set, warnings []string, err error) {
	if err := o.Validate(); err != nil {
		return nil, nil, &graph.Error{Kind: graph.BadConfig, Err: err}
	}
	var entries []entry
	switch {
	case o.Prompts != "":
		if entries, err = readFile(string(o.Prompts)); err != nil {
			return nil, nil, &graph.Error{Kind: graph.BadData, Err: err}
		}
	case o.Mask != "":
		entries = []entry{{mask: string(o.Mask)}}
	case !o.Empty():
		entries = []entry{{object: 1, box: o.Box, points: o.Points}}
	default:
		return nil, nil, graph.Errorf(graph.BadConfig, "no prompt: give --box x,y,w,h, --point x,y, --mask file.png or --prompts file.json")
	}
	warn := func(e *entry, note string) {
		if note != "" {
			warnings = append(warnings, e.where()+note)
		}
	}
	all := make([]entry, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		if e.mask == "" {
			all = append(all, *e)
			continue
		}
		several, note, err := e.objects(width, height)
		if err != nil {
			return nil, nil, graph.Errorf(graph.BadData, "%s%w", e.where(), err)
		}
		warn(e, note)
		all = append(all, several...)
	}
	if err := unique(all); err != nil {
		return nil, nil, &graph.Error{Kind: graph.BadData, Err: err}
	}
	slices.SortStableFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.frame, b.frame), cmp.Compare(a.object, b.object))
	})
	set = &Set{}
	for i := range all {
		e := &all[i]
		p, note, err := e.prompt(width, height)
		if err != nil {
			return nil, nil, graph.Errorf(graph.BadData, "%s%w", e.where(), err)
		}
		warn(e, note)
		set.add(e.frame, p, e.picture)
	}
	return set, warnings, nil
}

// At returns what a frame's header says: its prompts, ordered by object, and the objects that exist
// by then.
func (s *Set) At(frame int) (prompts []token.Prompt, objects []int) {
	if s == nil {
		return nil, nil
	}
	first, _ := slices.BinarySearch(s.frames, frame)
	for i := first; i < len(s.frames) && s.frames[i] == frame; i++ {
		p := s.prompts[i]
		if s.masks != nil && s.masks[i] != nil {
			p.Mask = s.mask(i)
		}
		prompts = append(prompts, p)
	}
	for _, o := range s.joined {
		if o.frame <= frame {
			objects = append(objects, o.object)
		}
	}
	slices.Sort(objects)
	return prompts, objects
}

// mask decodes the mask of prompt i.
func (s *Set) mask(i int) *token.Mask {
	f, size := s.masks[i], s.prompts[i].Mask
	if s.file != f {
		s.file, s.numbers = f, f.numbers()
	}
	m := &token.Mask{W: size.W, H: size.H, Pix: make([]uint8, size.W*size.H)}
	number := s.prompts[i].Object
	if len(f.ids) == 1 {
		number = f.ids[0] // whatever the object is called
	}
	for k, v := range s.numbers {
		if int(v) == number {
			m.Pix[k] = 1
		}
	}
	return m
}

// Objects returns all prompted objects, ascending.
func (s *Set) Objects() []int {
	_, objects := s.At(math.MaxInt)
	return objects
}

// Last returns the last prompted frame, -1 when there is none.
func (s *Set) Last() int {
	if s == nil || len(s.frames) == 0 {
		return -1
	}
	return s.frames[len(s.frames)-1]
}

// entry is one prompt as written.
type entry struct {
	object, frame int         // object is 0 when a mask says which it is
	box           []float64   // x, y, w, h or empty
	points        [][]float64 // x, y and perhaps a label
	mask          string      // path of a PNG
	picture       *maskFile   // what it holds

	file *text // for messages; nil for options
	at   int
}

// where is "prompts.json:3: " for messages, empty for options.
func (e *entry) where() string {
	if e.file == nil {
		return ""
	}
	return e.file.where(e.at)
}

// objects reads an entry's mask and returns an entry for each object in it.
func (e *entry) objects(width, height int) (all []entry, note string, err error) {
	m, note, err := readMask(e.mask, width, height)
	if err != nil {
		return nil, "", err
	}
	if e.object != 0 && len(m.ids) > 1 {
		return nil, "", fmt.Errorf("object %d: %s holds objects %s: leave \"object\" out, or give a mask of one object", e.object, e.mask, list(m.ids))
	}
	for _, id := range m.ids {
		one := *e
		one.picture = m
		if one.object == 0 {
			one.object = id
		}
		all = append(all, one)
	}
	return all, note, nil
}

// prompt checks an entry against the frame's size.
func (e *entry) prompt(width, height int) (p token.Prompt, warning string, err error) {
	p.Object = e.object
	if e.picture != nil {
		p.Mask = &token.Mask{W: width, H: height} // its pixels come when they are asked for
		return p, "", nil
	}
	what := fmt.Sprintf("of object %d on frame %d", e.object, e.frame)
	size := fmt.Sprintf("the %dx%d frame", width, height)
	if len(e.box) > 0 {
		if p.Box, warning, err = clip(e.box, width, height, what, size); err != nil {
			return p, "", err
		}
	}
	for _, at := range e.points {
		x, y, label := at[0], at[1], 1
		if len(at) == 3 {
			label = int(at[2])
		}
		if !finite(at) || x < 0 || y < 0 || x > float64(width) || y > float64(height) {
			return p, "", fmt.Errorf("point %g,%g %s lies outside %s", x, y, what, size)
		}
		p.Points = append(p.Points, token.Point{X: float32(x), Y: float32(y), Label: label})
	}
	return p, warning, nil
}

// clip makes a box of x, y, w, h inside the frame. The warning says what was cut off, and what the
// numbers may have been meant for; what and size name the prompt and the frame.
func clip(box []float64, width, height int, what, size string) (b *token.Box, warning string, err error) {
	x, y, w, h := box[0], box[1], box[2], box[3]
	text := fmt.Sprintf("box %g,%g,%g,%g %s", x, y, w, h, what)
	if !finite(box) || w <= 0 || h <= 0 {
		return nil, "", fmt.Errorf("%s: width and height must be above zero, inside %s", text, size)
	}
	b = &token.Box{X0: single(max(x, 0)), Y0: single(max(y, 0)),
		X1: single(min(x+w, float64(width))), Y1: single(min(y+h, float64(height)))}
	if b.Empty() {
		return nil, "", fmt.Errorf("%s lies outside %s", text, size)
	}
	if x < 0 || y < 0 || x+w > float64(width) || y+h > float64(height) {
		warning = fmt.Sprintf("%s reaches outside %s: clipped to %g,%g,%g,%g", text, size,
			float32(b.X0), float32(b.Y0), float32(b.X1)-float32(b.X0), float32(b.Y1)-float32(b.Y0))
	}
	if hint := otherForm(box, width, height); hint != "" {
		if warning == "" {
			warning = text
		}
		warning += "; " + hint
	}
	return b, warning, nil
}

// otherForm asks whether a box is written in another form: its corners, where these fit into the
// frame and x,y,w,h does not, or fractions of the frame.
func otherForm(box []float64, width, height int) string {
	w, h := float64(width), float64(height)
	a, b, c, d := box[0], box[1], box[2], box[3]
	switch {
	case 0 <= a && a < c && c <= w && 0 <= b && b < d && d <= h && (a+c > w || b+d > h):
		return fmt.Sprintf("is this x0,y0,x1,y1? then it is %g,%g,%g,%g as x,y,w,h", a, b, c-a, d-b)
	case min(w, h) > 16 && min(a, b) >= 0 && max(a+c, b+d) <= 1.01:
		return fmt.Sprintf("are these fractions of the frame? then it is %g,%g,%g,%g in pixels", math.Round(a*w), math.Round(b*h), math.Round(c*w), math.Round(d*h))
	}
	return ""
}

// single rounds a coordinate to the precision that the network takes.
func single(v float64) float64 { return float64(float32(v)) }

func finite(list []float64) bool {
	return !slices.ContainsFunc(list, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}
