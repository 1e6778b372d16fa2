package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// num is a host token, mem one that holds device memory.
type num struct{ frame, v int }

type mem struct {
	num
	leased bool
	ledger *ledger
	dev    kernels.Device
	memory *kernels.Tensor // of dev, may be nil
}

func (m *mem) Release() {
	m.ledger.release(m)
	if m.memory != nil {
		m.dev.Free(m.memory)
	}
}

// with gives a token device memory.
func (m *mem) with(dev kernels.Device, t *kernels.Tensor) *mem {
	m.dev, m.memory = dev, t
	return m
}

// saved is what a checkpoint holds of a num or a mem.
type saved struct {
	There    bool
	Frame, V int
	Bytes    int
}

func (n *num) Save() ([]byte, error) {
	if n == nil {
		return json.Marshal(saved{})
	}
	return json.Marshal(saved{There: true, Frame: n.frame, V: n.v})
}

func (n *num) Load(_ kernels.Device, data []byte) (any, error) {
	var s saved
	if err := json.Unmarshal(data, &s); err != nil || !s.There {
		return (*num)(nil), err
	}
	return &num{s.Frame, s.V}, nil
}

func (m *mem) Save() ([]byte, error) {
	if m == nil {
		return json.Marshal(saved{})
	}
	return json.Marshal(saved{There: true, Frame: m.frame, V: m.v, Bytes: m.memory.Bytes()})
}

// Load takes the memory that the token had from the arena of its stage.
func (m *mem) Load(dev kernels.Device, data []byte) (any, error) {
	var s saved
	if err := json.Unmarshal(data, &s); err != nil || !s.There {
		return (*mem)(nil), err
	}
	scope := kernels.NewScope(dev)
	defer scope.Close()
	t := scope.Result(kernels.U8, s.Bytes)
	scope.Keep(t)
	return newLedger(0).alloc(num{s.Frame, s.V}, false).with(dev, t), scope.Err()
}

// ledger checks what the runtime promises of device tokens: each is released once, and at no
// instant do more than batch frames have leased ones.
type ledger struct {
	mu       sync.Mutex
	batch    int // 0: unbounded
	made     int
	alive    map[*mem]bool
	frames   map[int]int // leased tokens alive, by frame
	peak     int
	problems []string
}

func newLedger(batch int) *ledger {
	return &ledger{batch: batch, alive: map[*mem]bool{}, frames: map[int]int{}}
}

func (l *ledger) alloc(n num, leased bool) *mem {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &mem{num: n, leased: leased, ledger: l}
	l.made++
	l.alive[m] = true
	if leased {
		l.frames[n.frame]++
		l.peak = max(l.peak, len(l.frames))
		if l.batch > 0 && len(l.frames) > l.batch {
			l.problems = append(l.problems, fmt.Sprintf("%d frames resident with frame %d", len(l.frames), n.frame))
		}
	}
	return m
}

func (l *ledger) release(m *mem) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.alive[m] {
		l.problems = append(l.problems, fmt.Sprintf("token %d of frame %d released again", m.v, m.frame))
	}
	delete(l.alive, m)
	if m.leased {
		if l.frames[m.frame]--; l.frames[m.frame] == 0 {
			delete(l.frames, m.frame)
		}
	}
}

// used says that a stage reads a token: it must not have been released.
func (l *ledger) used(m *mem) {
	if m == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.alive[m] {
		l.problems = append(l.problems, fmt.Sprintf("token %d of frame %d read after its release", m.v, m.frame))
	}
}

// settled checks that everything is back.
func (l *ledger) settled(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.problems {
		t.Error(p)
	}
	for m := range l.alive {
		t.Errorf("token %d of frame %d was never released", m.v, m.frame)
	}
}

// builder makes plans by hand.
type builder struct{ plan graph.Plan }

func (b *builder) add(id string, s *graph.Stage) *graph.PlanNode {
	n := &graph.PlanNode{ID: id, Stage: s, Options: reflect.New(s.Options).Interface(), In: make([]*graph.Edge, len(s.In))}
	b.plan.Nodes = append(b.plan.Nodes, n)
	return n
}

func (b *builder) find(id string) *graph.PlanNode {
	i := slices.IndexFunc(b.plan.Nodes, func(n *graph.PlanNode) bool { return n.ID == id })
	return b.plan.Nodes[i]
}

// link joins "stage.output" to "stage.input".
func (b *builder) link(from, to string, delay int) *graph.Edge {
	index := func(ports []graph.Port, name string) int {
		i := slices.IndexFunc(ports, func(p graph.Port) bool { return p.Name == name })
		if i < 0 {
			panic(from + " to " + to + ": no port " + name)
		}
		return i
	}
	id, port, _ := strings.Cut(from, ".")
	e := &graph.Edge{From: b.find(id), Delay: delay}
	e.FromPort = index(e.From.Stage.Out, port)
	id, port, _ = strings.Cut(to, ".")
	e.To = b.find(id)
	e.ToPort = index(e.To.Stage.In, port)
	e.From.Out = append(e.From.Out, e)
	e.To.In[e.ToPort] = e
	b.plan.Edges = append(b.plan.Edges, e)
	return e
}

// done settles cycles and capacities. micro tokens per edge, and one more where it starts with one,
// are enough for any graph: a block of micro frames can pass stage after stage, and what one order
// of firing can do, none can deadlock.
func (b *builder) done(micro int) *graph.Plan {
	for _, nodes := range b.plan.Cycles() {
		for _, n := range nodes {
			n.InCycle = true
		}
	}
	for _, e := range b.plan.Edges {
		e.Capacity = micro + e.Delay
	}
	return &b.plan
}

type none struct{}

type numOut struct {
	N *num `port:"n"`
}

type numIn struct {
	N *num `port:"n"`
}

// counter emits frames 0 to n-1 with their index as value, then returns err.
func counter(n int, err error) *graph.Stage {
	return graph.NewSource("count", "", func(*graph.Env, *none) (func(context.Context, func(*numOut) error) error, func(error) error, error) {
		run, closer, _ := counterOf(n, func(i int) *numOut { return &numOut{&num{i, i}} })(nil, nil)
		return func(ctx context.Context, emit func(*numOut) error) error {
			if err := run(ctx, emit); err != nil {
				return err
			}
			return err
		}, closer, nil
	})
}

// stage makes a flow of a function from struct to struct.
func stage[I, O any](fire func(*I) (*O, error)) *graph.Stage {
	return graph.NewFlow("flow", "", func(*graph.Env, *none) (func(context.Context, *I) (*O, error), func(error) error, error) {
		return func(_ context.Context, in *I) (*O, error) { return fire(in) }, nil, nil
	})
}

// sink makes a stage of a function on a struct. closed may be nil.
func sink[I any](fire func(*I) error, closed func(error) error) *graph.Stage {
	return graph.NewSink("sink", "", func(*graph.Env, *none) (func(context.Context, *I) error, func(error) error, error) {
		return func(_ context.Context, in *I) error { return fire(in) }, closed, nil
	})
}

// collect is a sink that appends values.
func collect(to *[]int) *graph.Stage {
	return sink(func(in *numIn) error { *to = append(*to, in.N.v); return nil }, nil)
}

// double maps a value to twice that, and fails or panics at one frame.
func double(failAt int, err error) *graph.Stage {
	return stage(func(in *numIn) (*numOut, error) {
		if in.N.frame == failAt {
			if err == nil {
				panic("broken")
			}
			return nil, err
		}
		return &numOut{&num{in.N.frame, 2 * in.N.v}}, nil
	})
}

func environment(batch, micro int) *graph.Env { return &graph.Env{Batch: batch, Micro: micro} }

// counterOf is the open function of a source that emits n structs.
func counterOf[O any](n int, make func(int) *O) func(*graph.Env, *none) (func(context.Context, func(*O) error) error, func(error) error, error) {
	return func(*graph.Env, *none) (func(context.Context, func(*O) error) error, func(error) error, error) {
		return func(_ context.Context, emit func(*O) error) error {
			for i := range n {
				if err := emit(make(i)); err != nil {
					return err
				}
			}
			return nil
		}, nil, nil
	}
}
