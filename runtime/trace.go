package runtime

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
)

// The trace is a JSON array of Chrome trace events, one complete event ("ph":"X") per firing, which
// Perfetto and chrome://tracing open: one row per stage, times in microseconds. Counters ("ph":"C")
// go beside them, taken when a firing ends: the tokens in the queues before a stage, the bytes in
// its arena, and the frames that are resident. It is written as the run goes.

// trace writes firings. A nil trace writes nothing.
type trace struct {
	mu    sync.Mutex
	w     *bufio.Writer
	names []string // of the stages, as JSON strings
	start time.Time
	line  []byte
}

func newTrace(w io.Writer, plan *graph.Plan) *trace {
	if w == nil {
		return nil
	}
	t := &trace{w: bufio.NewWriter(w)}
	for _, n := range plan.Nodes {
		t.names = append(t.names, strconv.QuoteToASCII(n.ID))
	}
	return t
}

// begin sets the zero of time and names the rows.
func (t *trace) begin(start time.Time) {
	if t == nil {
		return
	}
	t.start = start
	sep := "[\n"
	for i, name := range t.names {
		fmt.Fprintf(t.w, `%s{"ph":"M","name":"thread_name","pid":1,"tid":%d,"args":{"name":%s}}`, sep, i, name)
		sep = ",\n"
	}
}

// firing writes that a stage worked on count frames from seq on.
func (t *trace) firing(stage, seq, count int, from, to time.Time) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	micros := func(d time.Duration) { t.line = strconv.AppendFloat(t.line, float64(d)/1e3, 'f', 3, 64) }
	number := func(key string, v int) { t.line = strconv.AppendInt(append(t.line, key...), int64(v), 10) }
	t.line = append(t.line[:0], ",\n{\"ph\":\"X\",\"name\":"...)
	t.line = append(t.line, t.names[stage]...)
	number(`,"pid":1,"tid":`, stage)
	t.line = append(t.line, `,"ts":`...)
	micros(from.Sub(t.start))
	t.line = append(t.line, `,"dur":`...)
	micros(to.Sub(from))
	number(`,"args":{"frame":`, seq)
	number(`,"frames":`, count)
	t.line = append(t.line, "}}"...)
	t.w.Write(t.line) // an error stays in the writer and comes back from close
}

// counters writes what there is when a node's firing has ended.
func (t *trace) counters(n *node, now time.Time) {
	if t == nil {
		return
	}
	frames, _ := n.run.pool.counts()
	t.mu.Lock()
	defer t.mu.Unlock()
	at := float64(now.Sub(t.start)) / 1e3
	fmt.Fprintf(t.w, ",\n{\"ph\":\"C\",\"name\":\"resident frames\",\"pid\":1,\"ts\":%.3f,\"args\":{\"frames\":%d}}", at, frames)
	if n.arena != nil && n.arena.Bytes() > 0 {
		live, _ := n.arena.Live()
		fmt.Fprintf(t.w, ",\n{\"ph\":\"C\",\"name\":%s,\"pid\":1,\"ts\":%.3f,\"args\":{\"bytes\":%d}}", strconv.QuoteToASCII("memory of "+n.id), at, live)
	}
	if len(n.inputs) == 0 {
		return
	}
	fmt.Fprintf(t.w, ",\n{\"ph\":\"C\",\"name\":%s,\"pid\":1,\"ts\":%.3f,\"args\":{", strconv.QuoteToASCII("queues before "+n.id), at)
	for i, in := range n.inputs {
		sep := ","
		if i == 0 {
			sep = ""
		}
		fmt.Fprintf(t.w, "%s%s:%d", sep, strconv.QuoteToASCII(in.port.Name), len(in.queue))
	}
	t.w.WriteString("}}")
}

// close ends the array.
func (t *trace) close() error {
	if t == nil {
		return nil
	}
	t.w.WriteString("\n]\n")
	if err := t.w.Flush(); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}
