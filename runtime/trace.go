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

// The trace is a JSON array of Chrome trace events, one complete event ("ph":"X") per firing, which Perfetto and
// chrome://tracing open: one row per stage, times in microseconds. It is written as the run goes.

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
