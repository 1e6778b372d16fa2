//go:build !cuda

package cuda

import "testing"

// open returns a device on the emulator.
func open(t testing.TB, p Precision) *Device {
	d := newDevice(newEmulator(1), p)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}
