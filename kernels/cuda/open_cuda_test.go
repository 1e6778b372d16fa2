//go:build cuda

package cuda

import "testing"

// open returns the first GPU.
func open(t testing.TB, p Precision) *Device {
	if _, err := Devices(); err != nil {
		t.Skip(err)
	}
	d, err := New(0, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}
