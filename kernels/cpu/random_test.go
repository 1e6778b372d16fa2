package cpu

import (
	"flag"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels/kerneltest"
)

// manyShapes are enough to find a size that is one float too small; -shapes asks for more.
const manyShapes = 30

var (
	shapes     = flag.Int("shapes", manyShapes, "random shapes of each op, for each set of kernels")
	firstShape = flag.Uint64("first-shape", 0, "the first of the random shapes")
)

// edges are sizes at which a kernel begins another vector, tile, panel, block or task.
func edges(d *Device) []int {
	nr, group := d.nr(), int(d.isa.group)
	return []int{nr / 2, nr, 2 * nr, 4, 6, 8, 12, group, 2 * group, 4 * group, 32, 48, 64, 80, 96, 128, 224, 256, 480, 504, 512}
}

func TestRandomShapesAreRightAndStayInsideTheirMemory(t *testing.T) {
	count := uint64(*shapes)
	if testing.Short() && count == manyShapes {
		count = 6 // with each number of workers, and with memory of both kinds
		t.Logf("%d shapes of each op instead of %d", count, manyShapes)
	}
	apart(t, func(t *testing.T, set string) {
		near := edges(open(t, set, 1))
		for _, op := range kerneltest.RandomOps() {
			for i := *firstShape; i < *firstShape+count; i++ {
				c := kerneltest.Random(op, i, near)
				t.Run(c.Name, func(t *testing.T) {
					if err := kerneltest.CheckBare(guard(t, set, 1+int(i%4), i%3 == 2), c); err != nil {
						t.Error(err)
					}
				})
			}
		}
	})
}

func TestEveryInstructionSetStaysInsideItsMemory(t *testing.T) {
	apart(t, func(t *testing.T, set string) { kerneltest.Run(t, guard(t, set, 3, false)) })
}
