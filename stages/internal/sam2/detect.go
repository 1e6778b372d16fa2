package sam2

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/weights"
)

// A checkpoint says which network it belongs to by the names and shapes it holds. Comparing it with a configuration
// gives every difference; comparing it with every variant finds the one it was made for.

// MismatchError lists how a file differs from what a configuration asks for.
type MismatchError struct {
	File    string
	Want    string   // variant asked for, may be empty
	Match   string   // variant that the file matches exactly, empty when there is none
	Missing []string // official names
	Unused  []string // names as in the file
	Wrong   []string // "name is [3], want [4]"
}

func (e *MismatchError) Error() string {
	var b strings.Builder
	switch e.Match {
	case "":
		fmt.Fprintf(&b, "%s: the weights do not fit %q", e.File, e.Want)
	case e.Want:
		fmt.Fprintf(&b, "%s: these weights are of %q as published; the pipeline changes it", e.File, e.Match)
	default:
		fmt.Fprintf(&b, "%s: these weights are of %q; the pipeline asks for %q (--variant %s)", e.File, e.Match, e.Want, e.Match)
		return b.String()
	}
	for _, l := range []struct {
		what  string
		names []string
	}{{"missing", e.Missing}, {"unused", e.Unused}, {"wrong", e.Wrong}} {
		if len(l.names) > 0 {
			fmt.Fprintf(&b, "\n%d %s: %s", len(l.names), l.what, strings.Join(l.names, ", "))
		}
	}
	return b.String()
}

// differences compares a file with a list of tensors.
func differences(specs []Spec, f *weights.File) *MismatchError {
	e := &MismatchError{File: f.Path}
	hf := isHuggingFace(f)
	unused := map[string]bool{}
	for _, n := range f.Names() {
		unused[n] = true
	}
	for _, s := range specs {
		t, row := find(f, hf, s.Name)
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
		e.Unused = append(e.Unused, n)
	}
	slices.Sort(e.Unused)
	e.Wrong = slices.Compact(e.Wrong)
	return e
}

// count returns the number of differences.
func (e *MismatchError) count() int { return len(e.Missing) + len(e.Unused) + len(e.Wrong) }

// compare returns nil when a file holds exactly what the configuration asks for.
func compare(c Config, f *weights.File) error {
	e := differences(c.Tensors(), f)
	if e.count() == 0 {
		return nil
	}
	e.Want = c.Name
	if best, d := nearest(f); d.count() == 0 {
		e.Match = best
	}
	return e
}

// nearest returns the variant that a file differs least from, and how.
func nearest(f *weights.File) (string, *MismatchError) {
	var name string
	var least *MismatchError
	for _, v := range Variants() {
		c, err := Variant(v)
		if err != nil {
			continue
		}
		if d := differences(c.Tensors(), f); least == nil || d.count() < least.count() {
			name, least = v, d
		}
	}
	return name, least
}

// Info is what can be said about a checkpoint without using it.
type Info struct {
	Variant     string // the variant it matches, or else the nearest
	Exact       bool   // it matches
	HuggingFace bool   // its names are those of the Hugging Face model
	Tensors     int
	Parameters  int                   // elements
	Bytes       map[kernels.DType]int // by stored type
	Missing     []string              // of the variant, official names
	Unused      []string              // names as in the file
	Wrong       []string              // shapes and types that do not fit
}

// Detect returns what a checkpoint is.
func Detect(f *weights.File) Info {
	variant, d := nearest(f)
	info := Info{Variant: variant, Exact: d.count() == 0, HuggingFace: isHuggingFace(f), Tensors: f.Len(),
		Bytes: map[kernels.DType]int{}, Missing: d.Missing, Unused: d.Unused, Wrong: d.Wrong}
	for _, n := range f.Names() {
		if t, ok := f.Lookup(n); ok {
			info.Parameters += t.Len()
			info.Bytes[t.DType] += t.Bytes()
		}
	}
	return info
}
