package choose

import "testing"

func TestHolesUpToTheAreaAreFilledWithDiagonalNeighboursCounted(t *testing.T) {
	picture := []string{
		"#####",
		"#.###",
		"##.##",
		"#####",
		"...##",
	}
	logits := make([]float32, 25)
	for y, row := range picture {
		for x, c := range row {
			logits[y*5+x] = map[rune]float32{'#': 3, '.': -2}[c]
		}
	}
	fillHoles(logits, 5, 2)
	want := []string{
		"#####",
		"#o###",
		"##o##",
		"#####",
		"...##",
	}
	for y, row := range want {
		for x, c := range row {
			if w := map[rune]float32{'#': 3, '.': -2, 'o': filled}[c]; logits[y*5+x] != w {
				t.Errorf("(%d,%d) = %v, want %v", x, y, logits[y*5+x], w)
			}
		}
	}
}
