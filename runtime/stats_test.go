package runtime

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// paced is a chain whose stages take fixed times per frame.
func paced(frames int, takes ...time.Duration) *builder {
	b := &builder{}
	b.add("count", counter(frames, nil))
	last := "count.n"
	for i, d := range takes {
		id := string(rune('a' + i))
		if i == len(takes)-1 {
			b.add(id, sink(func(*numIn) error { time.Sleep(d); return nil }, nil))
		} else {
			b.add(id, stage(func(in *numIn) (*numOut, error) { time.Sleep(d); return &numOut{in.N}, nil }))
		}
		b.link(last, id+".n", 0)
		last = id + ".n"
	}
	return b
}

func TestTimesOfAStageAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rep, err := Run(t.Context(), paced(100, 2*time.Millisecond, 5*time.Millisecond, time.Millisecond).done(1), environment(1, 1), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []struct{ busy, starved time.Duration }{
			{0, 0}, // blocked by a, which is blocked by b
			{200 * time.Millisecond, 0},
			{500 * time.Millisecond, 2 * time.Millisecond},
			{100 * time.Millisecond, (2 + 5 + 99*4) * time.Millisecond},
		} {
			s := rep.Stages[i]
			if s.Busy != want.busy || s.Starved != want.starved || s.Busy+s.Starved+s.Blocked+s.Leasing != s.Wall {
				t.Errorf("%s: busy %v, starved %v, blocked %v, lease %v of %v; want %v busy, %v starved", s.ID, s.Busy, s.Starved, s.Blocked, s.Leasing, s.Wall, want.busy, want.starved)
			}
		}
		if rep.Wall != 503*time.Millisecond || rep.Limit() != "b" {
			t.Errorf("wall %v, limited by %s", rep.Wall, rep.Limit())
		}
	})
}

func TestTableIsReadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rep, err := Run(t.Context(), paced(100, 2*time.Millisecond, 5*time.Millisecond).done(1), environment(4, 1), Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		if err := rep.WriteTable(&got); err != nil {
			t.Fatal(err)
		}
		want := `  stage  frames  firings    busy  starved  blocked  lease  p50  p99
  count     100      100   0.0 %    0.0 %  100.0 %  0.0 %   0s   0s
      a     100      100  40.7 %    0.0 %   59.3 %  0.0 %  2ms  2ms
      b     100      100  99.6 %    0.4 %    0.0 %  0.0 %  5ms  5ms
100 frames in 502ms, 199.2 frames/s, limited by b, at most 0 of 4 frames resident
`
		if got.String() != want {
			t.Errorf("got\n%swant\n%s", got.String(), want)
		}
	})
}

func TestQuantilesAreCloseAtEveryScale(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for scale := time.Duration(1); scale < time.Hour; scale *= 7 {
		h := &histogram{}
		var all []time.Duration
		for range 2000 {
			d := time.Duration(r.Int64N(int64(scale) * 10))
			all = append(all, d)
			h.add(d, 1)
		}
		slices.Sort(all)
		for _, q := range []float64{0.01, 0.5, 0.99, 1} {
			want := all[max(int(q*2000)-1, 0)]
			if got := h.quantile(q); got < want-want/200 || got > want+want/200 {
				t.Errorf("scale %v: quantile %v is %v, want %v", scale, q, got, want)
			}
		}
	}
	if got := new(histogram).quantile(0.5); got != 0 {
		t.Errorf("median of nothing is %v", got)
	}
}

func TestProgressCountsWhatEverySinkHasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := paced(100, time.Millisecond, 10*time.Millisecond)
		b.add("fast", sink(func(*numIn) error { return nil }, nil))
		b.link("count.n", "fast.n", 0)
		var seen []Snapshot
		_, err := Run(t.Context(), b.done(50), environment(1, 1), Options{Every: 105 * time.Millisecond, Progress: func(s Snapshot) { seen = append(seen, s) }})
		if err != nil || len(seen) != 10 {
			t.Fatalf("%d calls, error %v", len(seen), err)
		}
		if s := seen[2]; s.Frames != 31 || s.Elapsed != 315*time.Millisecond || s.Limit != "b" {
			t.Errorf("after 315 ms: %+v", s)
		}
		if s := seen[9]; s.Frames != 100 {
			t.Errorf("at the end: %+v", s)
		}
	})
}

func TestTraceHoldsEveryFiring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		if _, err := Run(t.Context(), paced(3, 2*time.Millisecond, 5*time.Millisecond).done(1), environment(1, 1), Options{Trace: &out}); err != nil {
			t.Fatal(err)
		}
		var events []struct {
			Ph, Name string
			Tid      int
			Ts, Dur  float64
			Args     struct{ Frame, Frames int }
		}
		if err := json.Unmarshal(out.Bytes(), &events); err != nil {
			t.Fatalf("%v in %s", err, &out)
		}
		count := map[string]int{}
		for _, e := range events {
			count[e.Ph]++
			if e.Name == "b" && e.Args.Frame == 2 && (e.Ts != 12000 || e.Dur != 5000 || e.Tid != 2 || e.Args.Frames != 1) {
				t.Errorf("last firing of b: %+v", e)
			}
		}
		if count["M"] != 3 || count["X"] != 9 || count["C"] != 9+6 { // resident frames for all, queues for those with inputs
			t.Errorf("events %v", count)
		}
	})
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestTraceThatCannotBeWrittenIsSaid(t *testing.T) {
	rep, err := Run(t.Context(), paced(300, 0, 0).done(1), environment(1, 1), Options{Trace: full{}})
	if err == nil || err.Error() != "trace: disk full" || rep.Frames != 300 {
		t.Errorf("%d frames, error %v", rep.Frames, err)
	}
}
