package runtime

import (
	"cmp"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
)

// At any moment a stage is busy, starved (waiting for input), blocked (waiting for space behind it)
// or waiting for lease (waiting for one). Its clock is told of every change, so the four add up to
// the stage's wall time. The stage with the highest share of busy time is the one to make faster.

// state is what a stage is doing.
type state uint8

const (
	busy state = iota
	starved
	blocked
	leasing
	states
)

// clock says how long a stage was in each state.
type clock struct {
	mu    sync.Mutex
	on    bool
	state state
	since time.Time
	spent [states]time.Duration
}

func (c *clock) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on, c.since = true, time.Now()
}

func (c *clock) stop() {
	c.enter(busy)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = false
}

// enter changes the state and returns the time of that.
func (c *clock) enter(s state) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.spent[c.state] += now.Sub(c.since)
	c.state, c.since = s, now
	return now
}

// read returns the times so far, those of the current state included.
func (c *clock) read() [states]time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	spent := c.spent
	if c.on {
		spent[c.state] += time.Since(c.since)
	}
	return spent
}

// fine is how many buckets a histogram has per power of two, which is exact to 0.4 %.
const fine = 128

// histogram counts durations.
type histogram struct {
	count  int
	bucket [fine * 57]uint32
}

func (h *histogram) add(d time.Duration, times int) {
	v := uint64(max(d, 0))
	shift := max(bits.Len64(v)-bits.Len(fine), 0)
	h.bucket[fine*shift+int(v>>shift)] += uint32(times)
	h.count += times
}

// quantile returns the least duration that a share q of the counted ones does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	seen := 0
	for i, n := range h.bucket {
		if seen += int(n); seen > 0 && float64(seen) >= q*float64(h.count) {
			shift := max(i/fine-1, 0)
			low := uint64(i-fine*shift) << shift
			return time.Duration(low + (1<<shift)/2)
		}
	}
	return 0
}

// StageStats is what one stage did.
type StageStats struct {
	ID      string // in the pipeline file
	Stage   string
	Frames  int
	Firings int // fewer than frames where a stage gathers

	Wall                            time.Duration // from the start to the end of this stage
	Busy, Starved, Blocked, Leasing time.Duration // add up to Wall
	P50, P99                        time.Duration // busy time per frame

	Resident, PeakResident, Bound int // bytes in the stage's arena now and at most, and its size; 0 without one
	PeakResults, PeakWork         int // at most, of results and of the workspace, not always at the same time
}

// Report is what a run did.
type Report struct {
	Frames       int           // that reached every sink, counted from the beginning of the input
	First        int           // of them, those of the runs before
	Wall         time.Duration // from the first to the last firing, without opening and closing
	PeakResident int           // most frames that held a lease at once; 0 without leases
	Batch        int           // the bound of that
	Stages       []StageStats  // in the plan's order
}

// Snapshot is how far a run is.
type Snapshot struct {
	Frames   int // that reached every sink
	Elapsed  time.Duration
	Resident int    // frames that hold a lease
	Limit    string // ID of the stage with the highest share of busy time
	Stages   []StageStats
}

// report sums up. The percentiles are there only when the nodes have ended.
func (r *run) report() *Report {
	rep := &Report{Frames: r.completed(), Batch: cap(r.pool.leases)}
	if r.resume != nil {
		rep.First = r.resume.Frame
	}
	_, rep.PeakResident = r.pool.counts()
	if !r.start.IsZero() {
		rep.Wall = time.Since(r.start)
	}
	for _, n := range r.nodes {
		s := n.stats()
		s.P50, s.P99 = n.times.quantile(0.50), n.times.quantile(0.99)
		rep.Stages = append(rep.Stages, s)
	}
	return rep
}

func (n *node) stats() StageStats {
	t := n.clock.read()
	s := StageStats{
		ID: n.id, Stage: n.stage.Name, Frames: int(n.frames.Load()), Firings: int(n.firings.Load()),
		Wall: t[busy] + t[starved] + t[blocked] + t[leasing],
		Busy: t[busy], Starved: t[starved], Blocked: t[blocked], Leasing: t[leasing],
	}
	if n.arena != nil {
		s.Resident, s.PeakResident = n.arena.Live()
		s.PeakResults, s.PeakWork = n.arena.Peaks()
		s.Bound = n.arena.Bytes()
	}
	return s
}

// snapshot may be taken at any time.
func (r *run) snapshot() Snapshot {
	var stages []StageStats
	for _, n := range r.nodes {
		stages = append(stages, n.stats())
	}
	live, _ := r.pool.counts()
	return Snapshot{Frames: r.completed(), Elapsed: time.Since(r.start), Resident: live, Limit: limit(stages), Stages: stages}
}

// completed counts the frames of the slowest sink, or of the slowest stage in a plan without sinks.
func (r *run) completed() int {
	least := func(counts func(*node) bool) int {
		frames := -1
		for _, n := range r.nodes {
			if f := int(n.frames.Load()); counts(n) && (frames < 0 || f < frames) {
				frames = f
			}
		}
		return frames
	}
	if f := least(func(n *node) bool { return n.stage.Role == graph.Sink }); f >= 0 {
		return f
	}
	return max(least(func(*node) bool { return true }), 0)
}

// Limit returns the ID of the stage with the highest share of busy time.
func (r *Report) Limit() string { return limit(r.Stages) }

func limit(stages []StageStats) string {
	if len(stages) == 0 {
		return ""
	}
	return slices.MaxFunc(stages, func(a, b StageStats) int { return cmp.Compare(share(a.Busy, a.Wall), share(b.Busy, b.Wall)) }).ID
}

func share(part, whole time.Duration) float64 { return float64(part) / float64(max(whole, 1)) }

// WriteTable writes one line per stage, and one for the run.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "stage\tframes\tfirings\tbusy\tstarved\tblocked\tlease\tp50\tp99\t")
	for _, s := range r.Stages {
		percent := func(d time.Duration) string { return fmt.Sprintf("%.1f %%", 100*share(d, s.Wall)) }
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%v\t%v\t\n", s.ID, s.Frames, s.Firings,
			percent(s.Busy), percent(s.Starved), percent(s.Blocked), percent(s.Leasing), short(s.P50), short(s.P99))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d frames in %v, %.1f frames/s, limited by %s, at most %d of %d frames resident\n",
		r.Frames-r.First, short(r.Wall), float64(r.Frames-r.First)/max(r.Wall.Seconds(), 1e-9), r.Limit(), r.PeakResident, r.Batch)
	return err
}

// short rounds a duration to three digits.
func short(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}
