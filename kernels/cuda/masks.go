package cuda

import "github.com/seed49bbd0e6/tachi/kernels"

// Questions about masks that need no mask in memory (masks.cu).

const (
	maskThreads = 128
	maskBand    = 16 // rows of a block
)

type maskBoxesArgs struct {
	s     bilinear
	parts uint64
}

type maskBoxesJoinArgs struct {
	parts, y uint64
	n        int32
	_        int32
}

// maskBoxes finds the box of each block's part of a plane, then joins those of a plane.
func (d *Device) maskBoxes(op kernels.MaskBoxes) error {
	parts, err := d.reserve(maskParts(op))
	if err != nil {
		return err
	}
	g := maskGrid(op)
	err = launch(d, "mask_boxes", g, dim{maskThreads, 1, 1}, 16, maskBoxesArgs{newBilinear(op.X, op.H, op.W, maskBand), parts})
	if err != nil {
		return err
	}
	return launch(d, "mask_boxes_join", dim{g.z, 1, 1}, dim{32, 1, 1}, 0, maskBoxesJoinArgs{parts, address(op.Y), int32(g.x * g.y), 0})
}

func maskGrid(op kernels.MaskBoxes) dim {
	return dim{ceil(op.W, 4*maskThreads), ceil(op.H, maskBand), op.X.Dim(0)}
}

// maskParts is the bytes of the boxes of all blocks.
func maskParts(op kernels.MaskBoxes) int {
	g := maskGrid(op)
	return 16 * g.x * g.y * g.z
}

type countAboveArgs struct {
	x, y         uint64
	m, stride, n int32
	threshold    [4]float32
	vectors      int32
}

// countAbove counts for four thresholds in one launch.
func (d *Device) countAbove(op kernels.CountAbove) error {
	rows, m, n := op.X.Dim(0), op.X.Dim(1), len(op.Thresholds)
	if err := d.zero(op.Y); err != nil {
		return err
	}
	const threads, each = 256, 4
	v := vectors(m, op.X)
	grid := dim{ceil(m, perThread(v)*each*threads), rows, 1}
	for lo := 0; lo < n; lo += 4 {
		args := countAboveArgs{x: address(op.X), y: address(op.Y) + uint64(4*lo), m: int32(m), stride: int32(n), vectors: v}
		args.n = int32(copy(args.threshold[:], op.Thresholds[lo:]))
		if err := launch(d, "count_above", grid, dim{threads, 1, 1}, 0, args); err != nil {
			return err
		}
	}
	return nil
}

// zero clears 4-byte elements of any type.
func (d *Device) zero(y *kernels.Tensor) error {
	n := y.Len()
	return launch(d, "fill", elements(n), dim{elementThreads, 1, 1}, 0, fillArgs{address(y), int64(n), 0})
}
