// Package kerneltest says what a correct device is.
//
// Every op has a slow, plain reference. Run carries out a table of cases on a device and compares
// each result with the reference in float64. An op that copies, chooses, counts or rounds to
// integers must give exactly the same. Any other may err by at most twice the largest error of a
// naive float32 evaluation of the same op on the same operands, or by a few units in the last place
// of the largest result, whichever is more. Operands lie between guards, so reading beyond one
// gives NaN and writing beyond the result is found.
package kerneltest

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Run tests a device: every op on every case, then what must hold for all devices.
func Run(t *testing.T, dev kernels.Device) { run(t, dev, Check) }

func run(t *testing.T, dev kernels.Device, check func(kernels.Device, Case) error) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if err := check(dev, c); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("device", func(t *testing.T) { conformance(t, dev, check) })
}

// Cases returns the table, op by op.
func Cases() []Case {
	var all []Case
	for _, family := range [][]Case{productCases(), attentionCases(), rowCases(), mapCases(), pillowCases()} {
		all = append(all, family...)
	}
	return all
}

// Check carries out one case.
func Check(dev kernels.Device, c Case) error {
	return checkBy(dev, c, func(op kernels.Op, got []float64, m *Maker) error {
		return judge(op, got, m, 1)
	})
}

// CheckBare carries out one case, each operand being all of its memory, which is for the device to
// watch. It allows ten times the error of Check: of a few elements, a naive evaluation may happen
// to have next to none.
func CheckBare(dev kernels.Device, c Case) error {
	m := newMaker(dev, c.Name)
	m.guard = 0
	return checkMade(m, c, func(op kernels.Op, got []float64, m *Maker) error { return judge(op, got, m, 10) })
}

// judge compares a result with the reference.
func judge(op kernels.Op, got []float64, m *Maker, slack float64) error {
	want, exactly := evaluate(op, contentOf[float64](m))
	if exactly {
		return same(got, want)
	}
	naive, _ := evaluate(op, contentOf[float32](m))
	return close(got, want, naive, slack)
}

// checkBy carries out one case and lets judge see the result.
func checkBy(dev kernels.Device, c Case, judge func(op kernels.Op, got []float64, m *Maker) error) error {
	return checkMade(newMaker(dev, c.Name), c, judge)
}

func checkMade(m *Maker, c Case, judge func(op kernels.Op, got []float64, m *Maker) error) error {
	dev := m.dev
	defer m.close()
	op := c.Make(m)
	if m.err != nil {
		return m.err
	}
	if err := dev.Do(op); err != nil {
		return err
	}
	y := kernels.Result(op)
	got := make([]byte, y.Bytes())
	if err := dev.Download(got, y); err != nil {
		return err
	}
	return errors.Join(judge(op, decode[float64](y.DType, got), m), m.untouched(y))
}

// Same carries out every case on two devices and wants the same bytes: of one kind of device with,
// say, different numbers of workers.
func Same(t *testing.T, a, b kernels.Device) {
	for _, c := range Cases() {
		var results [2][]byte
		for i, dev := range []kernels.Device{a, b} {
			m := newMaker(dev, c.Name)
			op := c.Make(m)
			y := kernels.Result(op)
			results[i] = make([]byte, y.Bytes())
			err := m.err
			if err == nil {
				err = errors.Join(dev.Do(op), dev.Download(results[i], y))
			}
			m.close()
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
		if !bytes.Equal(results[0], results[1]) {
			t.Errorf("%s: results differ", c.Name)
		}
	}
}

// contentOf reads operands as they were before the op.
func contentOf[F real](m *Maker) content[F] {
	return func(t *kernels.Tensor) []F {
		if t == nil {
			return nil
		}
		return decode[F](t.DType, m.made[t].host)
	}
}

// same wants every element equal, NaN where NaN is wanted, and zeros of the same sign.
func same(got, want []float64) error {
	bad, first := 0, 0
	for i := range want {
		eq := got[i] == want[i] && math.Signbit(got[i]) == math.Signbit(want[i])
		if !eq && !(math.IsNaN(got[i]) && math.IsNaN(want[i])) {
			if bad == 0 {
				first = i
			}
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d elements differ, the first at %d: got %v, want %v", bad, len(want), first, got[first], want[first])
	}
	return nil
}

// close wants the largest error to be at most twice that of the naive evaluation, or four units in
// the last place of the largest result, all this times slack.
func close(got, want []float64, naive []float32, slack float64) error {
	var worst, naiveWorst, top float64
	at := 0
	for i := range want {
		e := math.Abs(got[i] - want[i])
		if !(e <= worst) { // a NaN is the worst, and stays
			worst, at = e, i
		}
		if math.IsNaN(e) {
			break
		}
		naiveWorst = max(naiveWorst, math.Abs(float64(naive[i])-want[i]))
		top = max(top, math.Abs(want[i]))
	}
	limit := slack * max(2*naiveWorst, 4*top/(1<<24))
	if !(worst <= limit) {
		return fmt.Errorf("element %d is %v, want %v: error %.3g, allowed %.3g (naive float32: %.3g)", at, got[at], want[at], worst, limit, naiveWorst)
	}
	return nil
}
