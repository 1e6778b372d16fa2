package graph

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A pipeline file is checked as a whole and every mistake is reported at once, in the order of the
// file:
//
//	samurai.toml:21:24: error: output "encode.featurs", an input of stage "attend", does not exist
//	  21 | inputs = { features = "encode.featurs" }
//	     |                       ^^^^^^^^^^^^^^^^ did you mean "encode.features"?
//	     = "encode" offers: features (features, on device)
//	1 error
//
// The column is that of the text under the carets, counted in characters from 1.

// Diagnostic is one mistake: where it stands, what is wrong, and what to do.
type Diagnostic struct {
	File    string
	Line    int // from 1; 0 when the mistake has no place in a text
	Column  int // from 1
	Message string
	Label   string   // said after the carets
	Notes   []string // said on lines of their own, after "="

	Excerpt Excerpt
}

// Excerpt is the part of a text that a diagnostic shows, and where the diagnostic stands among
// others.
type Excerpt struct {
	Text   string // the source line, or the part of a long one around the place
	Before string // of that, what comes before the place
	Width  int    // characters to underline
	Rank   int    // order of the files
	Offset int    // order within a file
}

// Help is all advice of the diagnostic in one string.
func (d Diagnostic) Help() string {
	if d.Label == "" {
		return strings.Join(d.Notes, "; ")
	}
	return strings.Join(append([]string{d.Label}, d.Notes...), "; ")
}

// MarshalJSON writes file, line, column, message and help.
func (d Diagnostic) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		File    string `json:"file"`
		Line    int    `json:"line"`
		Column  int    `json:"column"`
		Message string `json:"message"`
		Help    string `json:"help,omitempty"`
	}{d.File, d.Line, d.Column, d.Message, d.Help()})
}

func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", d.Line, d.Column)
	}
	fmt.Fprintf(&b, ": error: %s\n", d.Message)
	notes := d.Notes
	if d.Line > 0 && d.Excerpt.Text != "" {
		fmt.Fprintf(&b, "%4d | %s\n     | %s%s", d.Line, d.Excerpt.Text, indent(d.Excerpt.Before), strings.Repeat("^", max(d.Excerpt.Width, 1)))
		if d.Label != "" {
			b.WriteString(" " + d.Label)
		}
		b.WriteByte('\n')
	} else if d.Label != "" {
		notes = append([]string{d.Label}, notes...)
	}
	for _, n := range notes {
		fmt.Fprintf(&b, "     = %s\n", n)
	}
	return b.String()
}

// indent is white space as wide as text: tabs stay tabs, so that carets stand under what they point
// at.
func indent(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, text)
}

// Diagnostics is every mistake of a pipeline, in file order. It is an error of kind BadConfig.
type Diagnostics []Diagnostic

// Add appends a diagnostic.
func (ds *Diagnostics) Add(d Diagnostic) { *ds = append(*ds, d) }

func (ds Diagnostics) Error() string {
	var b strings.Builder
	for _, d := range ds {
		b.WriteString(d.String())
	}
	if b.WriteString(plural(len(ds), "error")); len(ds) == 0 {
		return "no error"
	}
	return b.String()
}

// WriteJSON writes one object per line: file, line, column, message, help.
func (ds Diagnostics) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, d := range ds {
		if err := e.Encode(d); err != nil {
			return err
		}
	}
	return nil
}

// sorted puts the list in file order and drops repetitions.
func (ds Diagnostics) sorted() Diagnostics {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Excerpt.Rank, b.Excerpt.Rank), cmp.Compare(a.Excerpt.Offset, b.Excerpt.Offset))
	})
	return slices.CompactFunc(ds, func(a, b Diagnostic) bool {
		return a.File == b.File && a.Excerpt.Offset == b.Excerpt.Offset && a.Message == b.Message
	})
}

// Err returns the list as an error, nil when it is empty.
func (ds Diagnostics) Err() error {
	if len(ds) == 0 {
		return nil
	}
	return ds.sorted()
}

// plural is "1 error", "2 errors".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
