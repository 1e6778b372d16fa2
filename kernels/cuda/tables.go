package cuda

import (
	"slices"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/internal/tables"
)

// Some ops read tables that depend on sizes and parameters alone. The device keeps each from its
// first use on, until it is closed: a run has few sizes, and uploading a table anew would cost more
// than the op.

// tableKey says what is in a table.
type tableKey struct {
	name      string
	in, out   int
	mean, std [3]float32
}

// table returns the address of a table, made at its first use. The caller holds mu.
func (d *Device) table(key tableKey, content func() []byte) (uint64, error) {
	if b, ok := d.tables[key]; ok {
		return b.at, nil
	}
	data := content()
	at, err := d.be.alloc(len(data))
	if err != nil {
		return 0, err
	}
	if err := d.be.upload(at, data); err != nil {
		_ = d.be.free(at) // the upload's error says more
		return 0, err
	}
	if d.tables == nil {
		d.tables = map[tableKey]block{}
	}
	d.tables[key] = block{at, len(data)}
	return at, nil
}

// axisTable is first[out], count[out] and weight[taps][out]: threads beside each other have outputs
// beside each other.
func axisTable[W int32 | float32](a tables.Axis[W]) []byte {
	out := len(a.First)
	weight := make([]W, 0, len(a.Weight))
	for j := range int(slices.Max(a.Count)) {
		for i := range out {
			weight = append(weight, a.Weight[i*a.Taps+j])
		}
	}
	return slices.Concat(kernels.HostBytes(a.First), kernels.HostBytes(a.Count), kernels.HostBytes(weight))
}

// axisBytes is the most that the table of an axis takes.
func axisBytes[W int32 | float32](a tables.Axis[W]) int { return 4 * len(a.First) * (2 + a.Taps) }
