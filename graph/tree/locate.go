package tree

import (
	"strconv"
	"strings"
)

// The TOML library decodes strictly but says nothing of where a key stood. locate walks the same
// text once more and remembers for each key where it and its value stand. It does not check the
// text, so it only has to find its way; on anything unexpected it moves on by one byte and loses at
// most a place. It also stops at values that are nested beyond reason, on which the library would
// take minutes.

// spot is where a key and its value stand, with the spots of the keys or elements inside.
type spot struct {
	key, val Span
	kids     map[string]*spot
	order    []string // kids, in the order of the text
	items    []*spot
}

// part is one part of a dotted key.
type part struct {
	name string
	span Span
}

func (t *spot) kid(p part) *spot {
	k := t.kids[p.name]
	if k == nil {
		k = &spot{key: p.span, val: p.span}
		if t.kids == nil {
			t.kids = map[string]*spot{}
		}
		t.kids[p.name] = k
		t.order = append(t.order, p.name)
	}
	return k
}

type scanner struct {
	text  string
	pos   int
	depth int  // of the value that is being read
	deep  Span // where it became more than maxDepth
}

// MaxDepth is how deep values and dotted keys may nest.
const MaxDepth = 32

// Locate returns the spot of the whole text, and where the text nests too deeply, if it does.
func Locate(text string) (root *spot, deep Span) {
	s := &scanner{text: text}
	root = &spot{}
	table := root
	for {
		s.space(true)
		if s.pos >= len(s.text) {
			return root, s.deep
		}
		before := s.pos
		if s.peek() == '[' {
			table = s.header(root)
		} else {
			s.pair(table)
		}
		if s.pos == before {
			s.pos++
		}
	}
}

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

// tooDeep gives the rest of the text up.
func (s *scanner) tooDeep(at int) {
	s.deep = Span{at, at + 1}
	s.pos = len(s.text)
}

func (s *scanner) accept(c byte) bool {
	if s.peek() != c || s.pos >= len(s.text) {
		return false
	}
	s.pos++
	return true
}

// space skips blanks and, with lines, line ends and comments.
func (s *scanner) space(lines bool) {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == ' ' || c == '\t':
			s.pos++
		case lines && (c == '\n' || c == '\r'):
			s.pos++
		case lines && c == '#':
			if i := strings.IndexByte(s.text[s.pos:], '\n'); i >= 0 {
				s.pos += i
			} else {
				s.pos = len(s.text)
			}
		default:
			return
		}
	}
}

// header reads [a.b] or [[a.b]] and returns the table that the following keys belong to.
func (s *scanner) header(root *spot) *spot {
	s.accept('[')
	array := s.accept('[')
	parts := s.key()
	for s.accept(']') {
	}
	if len(parts) == 0 {
		return &spot{}
	}
	whole := Span{parts[0].span.start, parts[len(parts)-1].span.end}
	t := root
	for i, p := range parts {
		t = t.kid(p)
		if i < len(parts)-1 {
			if n := len(t.items); n > 0 {
				t = t.items[n-1]
			}
		}
	}
	if array {
		item := &spot{key: whole, val: whole}
		t.items = append(t.items, item)
		return item
	}
	t.key, t.val = whole, whole
	return t
}

// pair reads a key, its "=" and its value.
func (s *scanner) pair(t *spot) {
	for _, p := range s.key() {
		t = t.kid(p)
	}
	s.space(false)
	if s.accept('=') {
		s.space(false)
		s.value(t)
	}
}

// key reads a dotted key.
func (s *scanner) key() []part {
	var parts []part
	for {
		s.space(false)
		start := s.pos
		var name string
		if c := s.peek(); c == '"' || c == '\'' {
			s.str()
			name = unquote(s.text[start:s.pos])
		} else {
			for s.pos < len(s.text) && !strings.ContainsRune("=.[]{},#\"' \t\r\n", rune(s.text[s.pos])) {
				s.pos++
			}
			name = s.text[start:s.pos]
		}
		if s.pos == start {
			return parts
		}
		if parts = append(parts, part{name, Span{start, s.pos}}); len(parts) > MaxDepth {
			s.tooDeep(start)
			return nil
		}
		if s.space(false); !s.accept('.') {
			return parts
		}
	}
}

// value reads a value into t.
func (s *scanner) value(t *spot) {
	start := s.pos
	s.depth++
	defer func() { s.depth-- }()
	if s.depth > MaxDepth {
		s.tooDeep(start)
		return
	}
	switch s.peek() {
	case '"', '\'':
		s.str()
	case '[':
		s.pos++
		for s.element() {
			item := &spot{key: Span{s.pos, s.pos}}
			s.value(item)
			item.key = item.val
			t.items = append(t.items, item)
		}
		s.accept(']')
	case '{':
		s.pos++
		for s.element() {
			before := s.pos
			if s.pair(t); s.pos == before {
				s.pos++
			}
		}
		s.accept('}')
	default:
		for s.pos < len(s.text) && !strings.ContainsRune(",]}#\r\n", rune(s.text[s.pos])) {
			s.pos++
		}
	}
	t.val = Span{start, start + len(strings.TrimRight(s.text[start:s.pos], " \t"))}
}

// element moves to the next element of an array or an inline table, and reports whether there is one.
func (s *scanner) element() bool {
	s.space(true)
	for s.accept(',') {
		s.space(true)
	}
	switch s.peek() {
	case ']', '}', '=', 0:
		return false
	}
	return true
}

// str reads a string of any of the four kinds.
func (s *scanner) str() {
	quote := s.text[s.pos : s.pos+1]
	long := strings.HasPrefix(s.text[s.pos:], strings.Repeat(quote, 3))
	if long {
		quote = strings.Repeat(quote, 3)
	}
	s.pos += len(quote)
	for s.pos < len(s.text) {
		switch {
		case quote[0] == '"' && s.peek() == '\\':
			s.pos = min(s.pos+2, len(s.text))
		case strings.HasPrefix(s.text[s.pos:], quote):
			s.pos += len(quote)
			for n := 0; long && n < 2 && s.accept(quote[0]); n++ { // up to two quotes may end the text itself
			}
			return
		case !long && s.peek() == '\n':
			return
		default:
			s.pos++
		}
	}
}

// unquote returns the name that a quoted key stands for.
func unquote(s string) string {
	if s[0] == '\'' {
		return strings.Trim(s, "'")
	}
	if u, err := strconv.Unquote(s); err == nil {
		return u
	}
	return strings.Trim(s, `"`)
}
