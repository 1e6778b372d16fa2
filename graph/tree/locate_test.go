package tree

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryKeyAndValueIsLocated(t *testing.T) {
	text := `a = 1 # b = 2
"b c".d = 'x#y'
[t."u.v"] # comment ]
s = """two "quotes""""" # five at the end
l = [ 1, [2, '3'], # in between
  { k = "v", m.n = [4] },
]
when = 2026-01-01 10:00:00  # a blank inside
[[list]]
x = 1
[[list]]
x = 2
[list.sub]
y = "\"]" 
`
	want := `a @a: 1
"b c"
  d @d: 'x#y'
t
  "u.v" @t."u.v": t."u.v"
    s @s: """two "quotes"""""
    l @l: [ 1, [2, '3'], # in between⏎  { k = "v", m.n = [4] },⏎]
      - 1
      - [2, '3']
        - 2
        - '3'
      - { k = "v", m.n = [4] }
        k @k: "v"
        m
          n @n: [4]
            - 4
    when @when: 2026-01-01 10:00:00
list
  - list
    x @x: 1
  - list
    x @x: 2
    sub @list.sub: list.sub
      y @y: "\"]"
`
	var b strings.Builder
	var show func(s *spot, in string)
	show = func(s *spot, in string) {
		for _, k := range s.order {
			kid := s.kids[k]
			name := k
			if strings.ContainsAny(k, " .") {
				name = fmt.Sprintf("%q", k)
			}
			fmt.Fprintf(&b, "%s%s", in, name)
			if kid.val != kid.key || kid.key.end-kid.key.start > len(name) {
				fmt.Fprintf(&b, " @%s: %s", text[kid.key.start:kid.key.end], strings.ReplaceAll(text[kid.val.start:kid.val.end], "\n", "⏎"))
			}
			b.WriteByte('\n')
			show(kid, in+"  ")
		}
		for _, item := range s.items {
			fmt.Fprintf(&b, "%s- %s\n", in, text[item.val.start:item.val.end])
			show(item, in+"  ")
		}
	}
	root, deep := Locate(text)
	if deep != (Span{}) {
		t.Errorf("too deep at %v", deep)
	}
	show(root, "")
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
