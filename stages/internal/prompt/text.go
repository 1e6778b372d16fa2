package prompt

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph/infile"
)

// ParseBox reads "x,y,w,h" from a command line.
func ParseBox(text string) ([]float64, error) {
	box, ok := numbers(text)
	if !ok || len(box) != 4 {
		return nil, fmt.Errorf("box %s: want x,y,w,h, such as 520,260,200,210", infile.Brief(text))
	}
	return box, nil
}

// ParsePoint reads "x,y" or "x,y,label" from a command line.
func ParsePoint(text string) ([]float64, error) {
	point, ok := numbers(text)
	if !ok || len(point) < 2 || len(point) > 3 || len(point) == 3 && point[2] != 0 && point[2] != 1 {
		return nil, fmt.Errorf("point %s: want x,y or x,y,label, such as 620,365,1; label 1 is on the object, 0 off it", infile.Brief(text))
	}
	return point, nil
}

// numbers reads finite decimal numbers between commas.
func numbers(text string) ([]float64, bool) {
	var out []float64
	for part := range strings.SplitSeq(text, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || !finite([]float64{v}) {
			return nil, false
		}
		out = append(out, v)
	}
	return out, true
}
