package cpu

import "testing"

func TestTasksCoverEveryRowAndPanelOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 16} {
		d := open(t, "", threads)
		for _, m := range []int{1, 7, 48, 49, 1000, 4096} {
			for _, n := range []int{1, 33, 256, 3000} {
				for _, k := range []int{1, 147, 1024, 9000} {
					tl := d.tile(m, n, k)
					seen := make([]int, m*tl.panels)
					for i := range tl.tasks() {
						r0, r1, p0, p1 := tl.task(i)
						for r := r0; r < r1; r++ {
							for p := p0; p < p1; p++ {
								seen[r*tl.panels+p]++
							}
						}
					}
					for i, times := range seen {
						if times != 1 {
							t.Fatalf("%d threads, %dx%dx%d: row %d panel %d is done %d times", threads, m, k, n, i/tl.panels, i%tl.panels, times)
						}
					}
					if big := 2*m*n*k > 1<<24; big && tl.panels >= 4*threads && tl.tasks() < threads {
						t.Errorf("%d threads, %dx%dx%d: only %d tasks", threads, m, k, n, tl.tasks())
					}
				}
			}
		}
	}
}
