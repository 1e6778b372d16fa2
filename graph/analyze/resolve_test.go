package analyze

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/describe"
	"github.com/seed49bbd0e6/tachi/graph/internal/graphtest"
)

func TestBatchFollowsTheSizeOfTheInput(t *testing.T) {
	for _, c := range []struct{ w, h, batch, micro int }{
		{0, 0, 2, 1}, {1280, 720, 8, 2}, {720, 1280, 8, 2}, {1281, 720, 4, 1}, {1920, 1080, 4, 1}, {1920, 1088, 2, 1}, {3840, 2160, 2, 1}, {640, 0, 2, 1},
	} {
		p := resolved(t, tracker(t), c.w, c.h)
		if p.Pipeline.Batch != c.batch || p.Pipeline.Micro != c.micro {
			t.Errorf("%dx%d: batch %d, micro %d, want %d, %d", c.w, c.h, p.Pipeline.Batch, p.Pipeline.Micro, c.batch, c.micro)
		}
	}
}

func TestMicroDividesAnyGivenBatch(t *testing.T) {
	for batch := 1; batch <= 64; batch++ {
		p := tracker(t)
		p.Pipeline = graph.Settings{Batch: batch}
		if s := resolved(t, p, 0, 0).Pipeline; s.Batch != batch || s.Micro < 1 || batch%s.Micro != 0 || s.Micro > max(batch/4, 1) {
			t.Errorf("batch %d: %+v", batch, s)
		}
	}
}

// A plan may be resolved for one input after the other, and stays what it is.
func TestResolvingLeavesThePlanAsItIs(t *testing.T) {
	text := func(p *graph.Plan) string {
		var b strings.Builder
		if err := describe.WriteText(&b, p); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	p := tracker(t)
	before := text(p)
	once := text(resolved(t, tracker(t), 1280, 1080))
	for _, height := range []int{2160, 720, 1080} {
		q := resolved(t, p, 1280, height)
		(&Bound{Batch: 1}).Reserve(q)
		if height == 1080 && text(q) != once {
			t.Errorf("resolved three times:\n%s\nonce:\n%s", text(q), once)
		}
	}
	if text(p) != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, text(p))
	}
	q := p.Edit(func(n *graph.PlanNode) { n.Stage, n.Options = graph.Discard(n.Stage), nil })
	for i, n := range p.Nodes {
		if n.Stage == q.Nodes[i].Stage || n == q.Nodes[i] {
			t.Errorf("%s is one node of two plans", n.ID)
		}
	}
	for i, e := range q.Edges {
		if e == p.Edges[i] || !slices.Contains(q.Nodes, e.From) || !slices.Contains(q.Nodes, e.To) || e.To.In[e.ToPort] != e || !slices.Contains(e.From.Out, e) {
			t.Errorf("%s -> %s is not of the copy", e.Source(), e.To.ID)
		}
	}
}

// randomPlan joins up to twelve stages at random: gathers, leases, bypasses, feedback.
func randomPlan(r *rand.Rand, batch, micro int, feedback bool) *graph.Plan {
	read, upload := graphtest.Suite()[0], graphtest.Suite()[2]
	p := &graph.Plan{File: "random.toml", Pipeline: graph.Settings{Batch: batch, Micro: micro}}
	add := func(id string, s *graph.Stage) *graph.PlanNode {
		n := &graph.PlanNode{ID: id, Stage: s, In: make([]*graph.Edge, len(s.In))}
		p.Nodes = append(p.Nodes, n)
		return n
	}
	join := func(from, to *graph.PlanNode, port, delay int) {
		e := &graph.Edge{From: from, To: to, ToPort: port, Delay: delay}
		to.In[port], from.Out, p.Edges = e, append(from.Out, e), append(p.Edges, e)
	}
	join(add("read", read), add("upload", upload), 0, 0)
	for i := range 2 + r.IntN(9) {
		s := *graphtest.Flow[graphtest.None, graphtest.BlendIn, graphtest.BlendOut](fmt.Sprintf("s%d", i), "joins.")
		s.In = []graph.Port{{Name: "a"}, {Name: "b"}, {Name: "c"}}
		s.Gather = r.IntN(2) == 0
		if r.IntN(2) == 0 {
			s.Out = upload.Out // on the device: holds leases
		}
		n := add(s.Name, &s)
		for port := range 1 + r.IntN(2) {
			join(p.Nodes[r.IntN(len(p.Nodes)-1)], n, port, 0)
		}
	}
	for _, n := range p.Nodes[2:] {
		if feedback && r.IntN(5) == 0 {
			join(p.Nodes[2+r.IntN(len(p.Nodes)-2)], n, 2, 1)
		}
	}
	for _, cycle := range p.Cycles() {
		for _, n := range cycle {
			n.InCycle = true
		}
	}
	return p
}

func TestNoPlanWithChosenCapacitiesEverStops(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		micro := 1 + r.IntN(4)
		p := randomPlan(r, micro*(1+r.IntN(4)), micro, true)
		if _, err := Resolve(p, Sizing{}); err != nil {
			var b strings.Builder
			if err := describe.WriteText(&b, p); err != nil {
				t.Fatal(err)
			}
			t.Fatalf("%v\n%s", err, &b)
		}
	}
}

func TestEveryWayToAStageHoldsTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		micro := 1 + r.IntN(3)
		p := resolved(t, randomPlan(r, 4*micro, micro, false), 0, 0)
		hold := map[*graph.PlanNode]int{}
		for _, n := range p.Nodes {
			ways := map[int]bool{}
			for _, e := range n.In {
				if e == nil || e.Delay > 0 {
					continue
				}
				inside := 1
				if e.From.Stage.Gather && !e.From.InCycle {
					inside = micro
				}
				hold[n] = hold[e.From] + inside + e.Capacity
				ways[hold[n]] = true // all must come to the same
			}
			if len(ways) > 1 {
				t.Fatalf("the ways to %s hold %v frames", n.ID, ways)
			}
		}
	}
}

// Small capacities do stop some graphs: what Deadlock says of the chosen ones means something.
func TestTooSmallCapacitiesAreFound(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	stopped := 0
	for range 100 {
		p := randomPlan(r, 8, 4, true)
		for _, e := range p.Edges {
			e.Capacity = 1
		}
		if _, err := Resolve(p, Sizing{}); err != nil {
			stopped++
		}
	}
	if stopped < 10 {
		t.Errorf("%d of 100 plans with capacities of 1 stop", stopped)
	}
}
