package encodeoutput

import (
	"strings"
	"sync"
)

// The letters that labels need, 5 wide and 7 high, drawn below as they look.
const (
	glyphW = 5
	glyphH = 7
)

const letters = "0123456789.-LOST"

var drawn = strings.Split(`
.###. ..#.. .###. .###. ...#. ##### ..##. ##### .###. .###. ..... ..... #.... .###. .#### #####
#...# .##.. #...# #...# ..##. #.... .#... ....# #...# #...# ..... ..... #.... #...# #.... ..#..
#..## ..#.. ....# ....# .#.#. ####. #.... ...#. #...# #...# ..... ..... #.... #...# #.... ..#..
#.#.# ..#.. ...#. ..##. #..#. ....# ####. ..#.. .###. .#### ..... .###. #.... #...# .###. ..#..
##..# ..#.. ..#.. ....# ##### ....# #...# ..#.. #...# ....# ..... ..... #.... #...# ....# ..#..
#...# ..#.. .#... #...# ...#. #...# #...# ..#.. #...# ...#. .##.. ..... #.... #...# ....# ..#..
.###. .###. ##### .###. ...#. .###. .###. ..#.. .###. .##.. .##.. ..... ##### .###. ####. ..#..`[1:], "\n")

// font maps a letter to its rows; bit 4 is the leftmost pixel.
var font = sync.OnceValue(func() map[rune][glyphH]uint8 {
	f := map[rune][glyphH]uint8{' ': {}}
	for i, letter := range letters {
		var rows [glyphH]uint8
		for y := range rows {
			for x := range glyphW {
				if drawn[y][i*(glyphW+1)+x] == '#' {
					rows[y] |= 1 << (glyphW - 1 - x)
				}
			}
		}
		f[letter] = rows
	}
	return f
})

// textSize returns the pixels that a text takes, without a margin.
func textSize(s string, scale int) (w, h int) {
	return (len(s)*(glyphW+1) - 1) * scale, glyphH * scale
}
