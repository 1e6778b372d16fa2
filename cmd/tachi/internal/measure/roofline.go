package measure

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/pipelines"
)

// The roofline says of every op how near it comes to what the machine can do. An op cannot take
// less than its multiply-adds at the peak, nor than its operands at the bandwidth of copying: the
// longer of the two is its limit. Operands that a cache still holds come faster than by copying, so
// that an op on a small map can beat its limit.
//
// Stages are measured one after the other, each with the machine to itself, as for `plan
// --measure`.

// Recorder is a device that takes the time of every op while it is on.
type Recorder struct {
	kernels.Device
	mu    sync.Mutex
	on    bool
	stage string
	ops   map[opKey]*opTime
}

// limited is a device that has measured what it can do at most.
type limited interface {
	PeakFLOPS() float64     // multiply and add are two
	CopyBandwidth() float64 // bytes read and bytes written, together, in a second
}

type opKey struct{ stage, op, shape string }

// opTime is what the ops of one kind and shape took together.
type opTime struct {
	calls   int
	seconds float64
	kernels.Cost
}

// OperandType implements kernels.HalfPrecision.
func (r *Recorder) OperandType() kernels.DType { return kernels.OperandType(r.Device) }

// repeats is how often an op is launched on an asynchronous device: one launch alone is dominated
// by submission. What is made in place is then not what it should be, but only for a firing whose
// results nobody gets.
const repeats = 20

// Do carries out an op.
func (r *Recorder) Do(op kernels.Op) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.on {
		return r.Device.Do(op)
	}
	times := 1
	if _, ok := kernels.Find[kernels.Batcher](r.Device); ok {
		times = repeats
	}
	err := r.Device.Sync()
	start := time.Now()
	for i := 0; i < times && err == nil; i++ {
		err = r.Device.Do(op)
	}
	if err == nil {
		err = r.Device.Sync()
	}
	took := time.Since(start).Seconds() / float64(times)
	if err == nil {
		key := opKey{r.stage, op.Name(), shapeOf(op)}
		t := r.ops[key]
		if t == nil {
			t = &opTime{}
			r.ops[key] = t
		}
		c := op.Cost()
		t.calls++
		t.seconds += took
		t.FLOP += c.FLOP
		t.Bytes += c.Bytes
	}
	return err
}

// record switches the recorder on for a stage, or off.
func (r *Recorder) record(stage string, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stage, r.on = stage, on
}

// shapeOf says in a word or two what an op works on.
func shapeOf(op kernels.Op) string {
	switch o := op.(type) {
	case kernels.Linear:
		return fmt.Sprintf("%d rows, %d -> %d", o.X.Rows(), o.W.Dim(1), o.W.Dim(0))
	case kernels.MatMulNT:
		return fmt.Sprintf("%d rows, %d -> %d", o.A.Dim(0), o.A.Dim(1), o.B.Dim(0))
	case kernels.Conv2D:
		return fmt.Sprintf("%dx%d, %dx%d/%d, %d -> %d", o.X.Dim(1), o.X.Dim(2), o.Kernel, o.Kernel, o.Stride, o.X.Dim(3), o.W.Dim(0))
	case kernels.DepthwiseConv:
		return fmt.Sprintf("%dx%d, %dx%d, %d", o.X.Dim(1), o.X.Dim(2), o.Kernel, o.Kernel, o.X.Dim(3))
	case kernels.UpConv:
		return fmt.Sprintf("%dx%d, %d -> %d", o.X.Dim(1), o.X.Dim(2), o.X.Dim(3), o.Y.Dim(3))
	case kernels.Attention:
		return fmt.Sprintf("%d to %d, %d x %d", o.Q.Dim(0), o.K.Dim(0), o.Heads, o.Q.Dim(1)/o.Heads)
	case kernels.RotaryAttention:
		return fmt.Sprintf("%d to %d, %d", o.Q.Dim(0), o.X.Dim(0), o.Q.Dim(1))
	case kernels.WindowAttention:
		return fmt.Sprintf("%dx%d by %d, %d x %d", o.QKV.Dim(1), o.QKV.Dim(2), o.Window, o.Heads, o.Y.Dim(3)/o.Heads)
	}
	return ""
}

// opLine is one line of the table, for one frame.
type opLine struct {
	Stage   string  `json:"stage"`
	Op      string  `json:"op"`
	Shape   string  `json:"shape,omitempty"`
	Calls   float64 `json:"calls"`
	Seconds float64 `json:"seconds"`
	GFLOP   float64 `json:"gflop"`
	GB      float64 `json:"gb"`
	Limit   float64 `json:"limit_seconds"` // that the machine sets
}

// Roofline is what the ops of a pipeline take, beside what the machine can do.
type Roofline struct {
	Device    kernels.Info `json:"device"`
	Peak      float64      `json:"peak_gflops"`
	Bandwidth float64      `json:"copy_gbs"`
	Ops       []opLine     `json:"ops"`

	name string
}

// NewRecorder puts a recorder around a device, which is off until a stage is measured.
func NewRecorder(dev kernels.Device) *Recorder {
	return &Recorder{Device: dev, ops: map[opKey]*opTime{}}
}

// Measure times the ops of every stage of a plan whose device is r, in count firings each.
func (r *Recorder) Measure(ctx context.Context, p *pipelines.Plan, count int) (*Roofline, error) {
	dev, ok := kernels.Find[limited](r.Device)
	if !ok {
		return nil, graph.Errorf(graph.BadUsage, "--roofline: %s does not say what it can do at most; --device cpu does", r.Device.Info().Name)
	}
	if err := p.Load(); err != nil {
		return nil, err
	}
	peak, bandwidth := dev.PeakFLOPS(), dev.CopyBandwidth()
	frames := map[string]int{} // measured
	for _, id := range Stages(p.Graph) {
		t, err := Stage(ctx, p, id, count, func(on bool) { r.record(id, on) })
		if err != nil {
			return nil, err
		}
		frames[id] = t.Frames()
	}
	var lines []opLine
	for k, t := range r.ops {
		n := float64(frames[k.stage])
		lines = append(lines, opLine{k.stage, k.op, k.shape, float64(t.calls) / n, t.seconds / n, t.FLOP / n / 1e9, t.Bytes / n / 1e9,
			max(t.FLOP/peak, t.Bytes/bandwidth) / n})
	}
	slices.SortFunc(lines, func(x, y opLine) int {
		return cmp.Or(cmp.Compare(y.Seconds, x.Seconds), cmp.Compare(x.Shape, y.Shape))
	})
	return &Roofline{r.Device.Info(), peak / 1e9, bandwidth / 1e9, lines, pipelines.DeviceLine(r.Device)}, nil
}

// WriteText prints the ops that take a hundredth of the time or more, the others together, and the
// sum.
func (r *Roofline) WriteText(out io.Writer) error {
	sum, rest := opLine{Op: "a frame"}, opLine{Op: "others"}
	add := func(to *opLine, l opLine) {
		to.Calls += l.Calls
		to.Seconds += l.Seconds
		to.GFLOP += l.GFLOP
		to.GB += l.GB
		to.Limit += l.Limit
	}
	for _, l := range r.Ops {
		add(&sum, l)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "stage\top\tshape\tcalls\tms\tshare\tGFLOP\tGB\tGFLOP/s\tGB/s\tof limit\n")
	line := func(l opLine) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.4g\t%.3f\t%.1f %%\t%.2f\t%.3f\t%.0f\t%.1f\t%.0f %%\n", l.Stage, l.Op, l.Shape, l.Calls, 1e3*l.Seconds,
			100*l.Seconds/sum.Seconds, l.GFLOP, l.GB, l.GFLOP/l.Seconds, l.GB/l.Seconds, 100*l.Limit/l.Seconds)
	}
	for _, l := range r.Ops {
		if l.Seconds < sum.Seconds/100 {
			add(&rest, l)
			continue
		}
		line(l)
	}
	if rest.Calls > 0 {
		line(rest)
	}
	line(sum)
	if err := w.Flush(); err != nil {
		return &graph.Error{Kind: graph.BadOutput, Err: err}
	}
	_, err := fmt.Fprintf(out, "%s, one frame, stages one after the other; limits: FMA peak %.0f GFLOP/s, copy %.0f GB/s\n", r.name, r.Peak, r.Bandwidth)
	return err
}
