package graph

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A pipeline file is checked as a whole and every mistake is reported at once, in the order of the file:
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

	text   string // the source line, or the part of a long one around the place
	before string // of that, what comes before the place
	width  int    // characters to underline
	rank   int    // order of the files
	offset int    // order within a file
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
	if d.Line > 0 && d.text != "" {
		fmt.Fprintf(&b, "%4d | %s\n     | %s%s", d.Line, d.text, indent(d.before), strings.Repeat("^", max(d.width, 1)))
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

// indent is white space as wide as text: tabs stay tabs, so that carets stand under what they point at.
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
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.offset, b.offset))
	})
	return slices.CompactFunc(ds, func(a, b Diagnostic) bool {
		return a.File == b.File && a.offset == b.offset && a.Message == b.Message
	})
}

// err returns the list as an error, nil when it is empty.
func (ds Diagnostics) err() error {
	if len(ds) == 0 {
		return nil
	}
	return ds.sorted()
}

// origin is a text that diagnostics point into: a pipeline file, or one command-line flag.
type origin struct {
	name string // as the user wrote it
	dir  string // relative paths in the text are relative to this folder
	text string
	rank int  // files are reported in this order
	flag bool // a flag has no lines worth showing
}

// span is a range of bytes of a source's text.
type span struct{ start, end int }

// at makes a diagnostic that points at a span.
func (s *origin) at(p span, format string, args ...any) Diagnostic {
	d := Diagnostic{File: s.name, Message: fmt.Sprintf(format, args...), rank: s.rank, offset: p.start}
	if s.flag {
		return d
	}
	start := min(max(p.start, 0), len(s.text))
	begin := strings.LastIndexByte(s.text[:start], '\n') + 1
	end := len(s.text)
	if i := strings.IndexByte(s.text[start:], '\n'); i >= 0 {
		end = start + i
	}
	d.Line = 1 + strings.Count(s.text[:begin], "\n")
	d.Column = 1 + utf8.RuneCountInString(s.text[begin:start])
	before := []rune(s.text[begin:start])
	after := []rune(strings.TrimRight(s.text[start:end], "\r"))
	d.width = min(max(utf8.RuneCountInString(s.text[start:max(start, min(p.end, end))]), 1), max(len(after), 1), excerpt)
	before, after = before[max(len(before)-excerpt, 0):], after[:min(len(after), excerpt)]
	d.before = printable(string(before))
	d.text = d.before + printable(string(after))
	return d
}

// excerpt is how many characters are shown of a line on each side of a place.
const excerpt = 160

// printable keeps control characters of a file away from the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// plural is "1 error", "2 errors".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
