package runtime

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
)

type memIn struct {
	M *mem `port:"m"`
}

type memOut struct {
	M *mem `port:"m"`
}

// upload takes leases and makes device tokens.
func upload(l *ledger) *graph.Stage {
	return stage(func(in *numIn) (*memOut, error) { return &memOut{l.alloc(*in.N, true)}, nil }).WithLease()
}

// encode makes device tokens of device tokens.
func encode(l *ledger, takes time.Duration) *graph.Stage {
	return stage(func(in *memIn) (*memOut, error) {
		time.Sleep(takes)
		return &memOut{l.alloc(in.M.num, true)}, nil
	})
}

func TestResidencyReachesTheBatchAndNeverExceedsIt(t *testing.T) {
	for batch := 1; batch <= 4; batch++ {
		synctest.Test(t, func(t *testing.T) {
			l := newLedger(batch)
			b := &builder{}
			b.add("count", counter(40, nil))
			b.add("upload", upload(l))
			b.add("encode", encode(l, 2*time.Millisecond))
			b.add("slow", sink(func(*memIn) error { time.Sleep(5 * time.Millisecond); return nil }, nil))
			b.link("count.n", "upload.n", 0)
			b.link("upload.m", "encode.m", 0)
			b.link("encode.m", "slow.m", 0)
			most := 0
			rep, err := Run(t.Context(), b.done(8), environment(batch, 1), Options{watch: func(live int) { most = max(most, live) }})
			if err != nil || rep.PeakResident != batch || most != batch || l.peak != batch || rep.Batch != batch {
				t.Errorf("batch %d: peaks of %d, %d and %d frames; error %v", batch, rep.PeakResident, most, l.peak, err)
			}
			if s := rep.Stages[1]; s.Leasing == 0 || s.Leasing+s.Busy+s.Starved+s.Blocked != s.Wall {
				t.Errorf("batch %d: upload waited %v for a lease of %v", batch, s.Leasing, s.Wall)
			}
			l.settled(t)
		})
	}
}

func TestASourceMayTakeLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(2)
		b := &builder{}
		src := graph.NewSource("gpu", "", counterOf(30, func(i int) *memOut { return &memOut{l.alloc(num{i, i}, true)} })).WithLease()
		b.add("gpu", src)
		b.add("slow", sink(func(*memIn) error { time.Sleep(time.Millisecond); return nil }, nil))
		b.link("gpu.m", "slow.m", 0)
		rep, err := Run(t.Context(), b.done(8), environment(2, 1), Options{})
		if err != nil || rep.PeakResident != 2 || l.peak != 2 || rep.Frames != 30 {
			t.Errorf("%d frames, peak %d, %d; error %v", rep.Frames, rep.PeakResident, l.peak, err)
		}
		l.settled(t)
	})
}

func TestStateOutlivesItsFrameWithoutALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(1)
		b := &builder{}
		b.add("count", counter(10, nil))
		b.add("upload", upload(l))
		b.add("memory", stage(func(in *struct {
			M    *mem `port:"m"`
			Bank *mem `port:"bank,delay"`
		}) (*struct {
			Bank *mem `port:"bank,state"`
		}, error) {
			l.used(in.Bank)
			return &struct {
				Bank *mem `port:"bank,state"`
			}{l.alloc(in.M.num, false)}, nil
		}))
		b.link("count.n", "upload.n", 0)
		b.link("upload.m", "memory.m", 0)
		b.link("memory.bank", "memory.bank", 1)
		if rep, err := Run(t.Context(), b.done(1), environment(1, 1), Options{}); err != nil || rep.Frames != 10 {
			t.Errorf("%d frames, error %v", rep.Frames, err)
		}
		l.settled(t)
	})
}

func TestTokensThatNobodyReadsAreReleasedAtOnce(t *testing.T) {
	l := newLedger(1)
	b := &builder{}
	b.add("count", counter(10, nil))
	b.add("upload", upload(l))
	b.link("count.n", "upload.n", 0)
	if rep, err := Run(t.Context(), b.done(1), environment(1, 1), Options{}); err != nil || rep.Frames != 10 || l.made != 10 {
		t.Errorf("%d frames, %d tokens, error %v", rep.Frames, l.made, err)
	}
	l.settled(t)
}

func TestDeviceMemoryWithoutALeaseIsAnError(t *testing.T) {
	l := newLedger(0)
	b := &builder{}
	b.add("count", counter(10, nil))
	b.add("upload", upload(l))
	b.add("stray", stage(func(in *numIn) (*memOut, error) { return &memOut{l.alloc(*in.N, true)}, nil }))
	b.add("sink", sink(func(*memIn) error { return nil }, nil))
	b.link("count.n", "upload.n", 0)
	b.link("count.n", "stray.n", 0)
	b.link("stray.m", "sink.m", 0)
	_, err := Run(t.Context(), b.done(1), environment(1, 1), Options{})
	if want := `stray: frame 0: output "m" holds device memory, but no input brings the lease of its frame`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	l.settled(t)
}

func TestFailingReleaseIsAnErrorNotACrash(t *testing.T) {
	b := &builder{}
	b.add("count", graph.NewSource("count", "", counterOf(3, func(int) *struct {
		T tight `port:"t"`
	} {
		return &struct {
			T tight `port:"t"`
		}{}
	})))
	b.add("sink", sink(func(*struct {
		T tight `port:"t"`
	}) error {
		return nil
	}, nil))
	b.link("count.t", "sink.t", 0)
	if _, err := Run(t.Context(), b.done(1), environment(1, 1), Options{}); err == nil || err.Error() != "sink: release: panic: freed twice" {
		t.Errorf("error %v", err)
	}
}

type tight struct{}

func (tight) Release() { panic(errors.New("freed twice")) }

func TestFramesThatEmitRefusesAreReleased(t *testing.T) {
	for _, lease := range []bool{false, true} {
		l := newLedger(0)
		b := &builder{}
		refusals := 0
		src := graph.NewSource("gpu", "", func(*graph.Env, *none) (func(context.Context, func(*memOut) error) error, func(error) error, error) {
			return func(_ context.Context, emit func(*memOut) error) error {
				for i := range 3 { // and does not care
					if err := emit(&memOut{l.alloc(num{i, i}, true)}); errors.Is(err, graph.ErrDrained) {
						refusals++
					}
				}
				return nil
			}, nil, nil
		})
		if src.Lease = lease; lease {
			l.batch = 1
		}
		b.add("gpu", src)
		b.add("sink", sink(func(*memIn) error { return nil }, nil))
		b.link("gpu.m", "sink.m", 0)
		drain := make(chan struct{})
		close(drain)
		_, err := Run(t.Context(), b.done(1), environment(1, 1), Options{Drain: drain})
		if !errors.Is(err, graph.ErrDrained) || !lease && refusals != 3 {
			t.Errorf("%d refusals, error %v", refusals, err)
		}
		l.settled(t)
	}
}
