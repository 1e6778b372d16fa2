package sam2

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/weights"
)

// A checkpoint says which network it belongs to by the names and shapes it holds. Comparing it with
// a configuration gives every difference; comparing it with every variant finds the one it was made
// for.

// MismatchError lists how a file differs from what a configuration asks for.
type MismatchError struct {
	File      string
	Want      string   // variant asked for, may be empty
	Match     string   // variant that the file matches, empty when there is none
	Published bool     // it matches that as it is, without Set
	Is        string   // what the file is when it is not SAM 2, may be empty
	Set       []string // flags with which the file fits Match; else flags that its shapes speak for
	Missing   []string // official names
	Unused    []string // names as in the file
	Wrong     []string // "name is [3], want [4]"
	Skipped   []string // "name (I64)": not needed, and no difference
}

// few is how many names of a list an error prints.
const few = 3

func (e *MismatchError) Error() string {
	set := strings.Join(e.Set, " ")
	switch {
	case e.Is != "":
		return fmt.Sprintf("%s: %s", e.File, e.Is)
	case e.Match != "" && e.Match != e.Want:
		flags := strings.TrimSpace("--variant " + e.Match + " " + set)
		return fmt.Sprintf("%s: these weights are of %q; the pipeline asks for %q (%s)", e.File, e.Match, e.Want, flags)
	case e.Match != "" && e.Published:
		return fmt.Sprintf("%s: these weights are of %q as published; the pipeline changes it: %s; %s", e.File, e.Match, e.list(), set)
	case e.Match != "":
		return fmt.Sprintf("%s: these weights are of %q with another configuration: %s; %s", e.File, e.Match, e.list(), set)
	case set != "":
		return fmt.Sprintf("%s: the weights do not fit %q: %s; their shapes speak for %s (tachi model info lists all)", e.File, e.Want, e.list(), set)
	}
	return fmt.Sprintf("%s: the weights do not fit %q: %s (tachi model info lists all)", e.File, e.Want, e.list())
}

// list counts the differences and names the first few of each kind.
func (e *MismatchError) list() string {
	var parts []string
	for _, l := range []struct {
		what  string
		names []string
	}{{"missing", e.Missing}, {"unused", e.Unused}, {"wrong", e.Wrong}} {
		if len(l.names) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s: %s", len(l.names), l.what, weights.Some(l.names, few)))
		}
	}
	return strings.Join(parts, "; ")
}

// differences compares a file with a list of tensors.
func differences(specs []Spec, f *weights.File) *MismatchError {
	e := &MismatchError{File: f.Path}
	hf := isHuggingFace(f)
	unused := map[string]bool{}
	for _, n := range f.Names() {
		unused[n] = true
	}
	foreign := maps.Clone(f.Foreign())
	for _, s := range specs {
		t, row := find(f, hf, s.Name)
		if name, typ := findForeign(f, hf, s.Name); t == nil && typ != "" {
			delete(foreign, name)
			e.Wrong = append(e.Wrong, fmt.Sprintf("%s holds %s, want floating point of 16, 32 or 64 bits", name, typ))
			continue
		}
		if t == nil {
			e.Missing = append(e.Missing, s.Name)
			continue
		}
		delete(unused, t.Name)
		if strings.HasSuffix(s.Name, "gaussian_matrix") && hf {
			delete(unused, tiedEmbedding)
		}
		want := s.Shape
		if row >= 0 {
			want = []int{4, s.Shape[1]}
		}
		switch {
		case !slices.Equal(t.Shape, want):
			e.Wrong = append(e.Wrong, fmt.Sprintf("%s is %v, want %v", t.Name, t.Shape, want))
		case !floating(t.DType):
			e.Wrong = append(e.Wrong, fmt.Sprintf("%s holds %v, want floating point", t.Name, t.DType))
		}
	}
	for n := range unused {
		switch t, _ := f.Lookup(n); {
		case t.Wide:
			e.Skipped = append(e.Skipped, n+" (f64)")
		case !floating(t.DType):
			e.Skipped = append(e.Skipped, fmt.Sprintf("%s (%v)", n, t.DType))
		default:
			e.Unused = append(e.Unused, n)
		}
	}
	for n, typ := range foreign {
		e.Skipped = append(e.Skipped, fmt.Sprintf("%s (%s)", n, typ))
	}
	slices.Sort(e.Unused)
	slices.Sort(e.Skipped)
	e.Wrong = slices.Compact(e.Wrong)
	return e
}

// count returns the number of differences.
func (e *MismatchError) count() int { return len(e.Missing) + len(e.Unused) + len(e.Wrong) }

// compare returns what a file holds besides what the configuration asks for, and needs no mention
// as an error; or how it differs.
func compare(c Config, f *weights.File) (skipped []string, err error) {
	e := differences(c.Tensors(), f)
	if e.count() == 0 {
		return e.Skipped, nil
	}
	e.Want = c.Name
	e.explain(c, f)
	return nil, e
}

// explain finds the variant and the flags with which the file would fit, or what it is instead.
func (e *MismatchError) explain(c Config, f *weights.File) {
	best, d := nearest(f)
	set, fits := knobs(c, f)
	if d.count() == 0 {
		e.Match, e.Published = best, true
		if best == e.Want {
			e.Set = set
		}
		return
	}
	if fits {
		e.Match, e.Set = e.Want, set
		return
	}
	for _, v := range published() {
		if v.config.Name == e.Want {
			continue
		}
		if set, fits := knobs(v.config, f); fits {
			e.Match, e.Set = v.config.Name, set
			return
		}
	}
	if e.Is = identify(f); e.Is == "" && len(set) <= 2 {
		e.Set = set
	}
}

// published are the variants with what a checkpoint of each holds.
var published = sync.OnceValue(func() (all []struct {
	config Config
	specs  []Spec
}) {
	for _, v := range VariantNames() {
		if c, err := Variant(v); err == nil {
			all = append(all, struct {
				config Config
				specs  []Spec
			}{c, c.Tensors()})
		}
	}
	return all
})

// nearest returns the variant that a file differs least from, and how.
func nearest(f *weights.File) (string, *MismatchError) {
	var name string
	var least *MismatchError
	for _, v := range published() {
		if d := differences(v.specs, f); least == nil || d.count() < least.count() {
			name, least = v.config.Name, d
		}
	}
	return name, least
}

// Info is what can be said about a checkpoint without using it.
type Info struct {
	Variant     string   // the variant it matches, or else the nearest
	Exact       bool     // it matches
	Is          string   // what it is when it is not SAM 2
	Fits        bool     // it fits the variant with the flags of Set
	Set         []string // flags that its shapes speak for
	HuggingFace bool     // its names are those of the Hugging Face model
	Tensors     int
	Parameters  int                   // elements
	Bytes       map[kernels.DType]int // by stored type
	Missing     []string              // of the variant, official names
	Unused      []string              // names as in the file
	Wrong       []string              // shapes and types that do not fit
	Skipped     []string              // tensors of types that no weight has
	NotFinite   string                // where there are NaN or infinities, empty without
	Notes       []string              // what was done to the names, and how the file was read
}

// Detect returns what a checkpoint is. It reads all of it, for the values that are not finite.
func Detect(file *weights.File) (Info, error) {
	f, err := adapt(file)
	if err != nil {
		return Info{}, err
	}
	variant, d := nearest(f)
	info := Info{Exact: d.count() == 0, HuggingFace: isHuggingFace(f), Tensors: f.Len(), Bytes: map[kernels.DType]int{}, Notes: f.Notes}
	if !info.Exact {
		c, err := Variant(variant)
		if err != nil {
			return info, err
		}
		d.Want = variant
		d.explain(c, f)
		if d.Match != "" {
			variant, info.Fits = d.Match, true
		}
	}
	info.Variant, info.Is, info.Set = variant, d.Is, d.Set
	info.Missing, info.Unused, info.Wrong, info.Skipped = d.Missing, d.Unused, d.Wrong, d.Skipped
	for _, n := range f.Names() {
		if t, ok := f.Lookup(n); ok {
			info.Parameters += t.Len()
			info.Bytes[t.DType] += t.Bytes()
		}
	}
	info.NotFinite, err = notFinite(f, f.Names())
	return info, err
}

// notFinite says which of the named tensors holds the first NaN or infinity and how many there are,
// "" when there are none.
func notFinite(f *weights.File, names []string) (string, error) {
	first, values, tensors := "", 0, 0
	for _, name := range names {
		t, ok := f.Lookup(name)
		if !ok {
			continue
		}
		n, err := t.NonFinite()
		if err != nil {
			return "", err
		}
		if n > 0 {
			if first == "" {
				first = name
			}
			values, tensors = values+n, tensors+1
		}
	}
	switch {
	case tensors == 0:
		return "", nil
	case tensors == 1:
		return fmt.Sprintf("%s holds NaN or infinity, %d of its values", first, values), nil
	}
	return fmt.Sprintf("%s holds NaN or infinity; so do %d values in %d tensors in all", first, values, tensors), nil
}
