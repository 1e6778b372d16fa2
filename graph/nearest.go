package graph

import "fmt"

// Nearest returns the name that was most likely meant: the one fewest edits away, if those are few
// for its length.
func Nearest(word string, names []string) (string, bool) {
	best, fewest := "", 1+max(min(1, len(word)), len(word)/3)
	for _, name := range names {
		if d := distance(word, name, fewest); d < fewest {
			best, fewest = name, d
		}
	}
	return best, best != ""
}

// Suggest is the words that offer the nearest name, or nothing.
func Suggest(word string, names []string) string {
	if name, ok := Nearest(word, names); ok {
		return fmt.Sprintf("did you mean %q?", name)
	}
	return ""
}

// distance counts the insertions, deletions, substitutions and swaps of neighbours that turn a into
// b (optimal string alignment). Words whose lengths alone put them at limit or beyond are not
// looked at.
func distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if d := len(x) - len(y); d >= limit || -d >= limit {
		return limit
	}
	var before, last []int
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		before, last, row = last, row, make([]int, len(y)+1)
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(y)]
}
