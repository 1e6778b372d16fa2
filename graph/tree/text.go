package tree

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/seed49bbd0e6/tachi/graph"
)

// Text is a text that diagnostics point into: a pipeline file, or one command-line flag.
type Text struct {
	Name string // as the user wrote it
	Dir  string // relative paths in the text are relative to this folder
	text string
	rank int  // files are reported in this order
	Flag bool // a flag has no lines worth showing
}

// Span is a range of bytes of a source's text.
type Span struct{ start, end int }

// At makes a diagnostic that points at a span.
func (s *Text) At(p Span, format string, args ...any) graph.Diagnostic {
	d := graph.Diagnostic{File: s.Name, Message: fmt.Sprintf(format, args...), Excerpt: graph.Excerpt{Rank: s.rank, Offset: p.start}}
	if s.Flag {
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
	d.Excerpt.Width = min(max(utf8.RuneCountInString(s.text[start:max(start, min(p.end, end))]), 1), max(len(after), 1), ExcerptWidth)
	before, after = before[max(len(before)-ExcerptWidth, 0):], after[:min(len(after), ExcerptWidth)]
	d.Excerpt.Before = graph.Printable(string(before))
	d.Excerpt.Text = d.Excerpt.Before + graph.Printable(string(after))
	return d
}

// ExcerptWidth is how many characters are shown of a line on each side of a place.
const ExcerptWidth = 160
