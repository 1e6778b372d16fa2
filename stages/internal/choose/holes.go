package choose

// filled is the logit that a hole is set to.
const filled = 0.1

// fillHoles sets every 8-connected component of pixels <= 0 with at most area pixels to 0.1, those
// at the border included.
func fillHoles(logits []float32, side, area int) {
	seen := make([]bool, len(logits))
	var component []int
	for start := range logits {
		if logits[start] > 0 || seen[start] {
			continue
		}
		component = append(component[:0], start)
		seen[start] = true
		for i := 0; i < len(component); i++ {
			x, y := component[i]%side, component[i]/side
			for ny := max(y-1, 0); ny <= min(y+1, side-1); ny++ {
				for nx := max(x-1, 0); nx <= min(x+1, side-1); nx++ {
					if p := ny*side + nx; logits[p] <= 0 && !seen[p] {
						seen[p] = true
						component = append(component, p)
					}
				}
			}
		}
		if len(component) <= area {
			for _, p := range component {
				logits[p] = filled
			}
		}
	}
}
