package graph

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestBatchFollowsTheSizeOfTheInput(t *testing.T) {
	for _, c := range []struct{ w, h, batch, micro int }{
		{0, 0, 2, 1}, {1280, 720, 8, 2}, {720, 1280, 8, 2}, {1281, 720, 4, 1}, {1920, 1080, 4, 1}, {1920, 1088, 2, 1}, {3840, 2160, 2, 1}, {640, 0, 2, 1},
	} {
		p := tracker(t)
		if err := p.Resolve(c.w, c.h); err != nil {
			t.Fatal(err)
		}
		if p.Pipeline.Batch != c.batch || p.Pipeline.Micro != c.micro {
			t.Errorf("%dx%d: batch %d, micro %d, want %d, %d", c.w, c.h, p.Pipeline.Batch, p.Pipeline.Micro, c.batch, c.micro)
		}
	}
}

func TestMicroDividesAnyGivenBatch(t *testing.T) {
	for batch := 1; batch <= 64; batch++ {
		p := tracker(t)
		p.Pipeline, p.auto.batch = Settings{Batch: batch}, false
		if err := p.Resolve(0, 0); err != nil {
			t.Fatal(err)
		}
		if s := p.Pipeline; s.Batch != batch || s.Micro < 1 || batch%s.Micro != 0 || s.Micro > max(batch/4, 1) {
			t.Errorf("batch %d: %+v", batch, s)
		}
	}
}

func TestResolvingAgainStartsAfresh(t *testing.T) {
	p, q := tracker(t), tracker(t)
	for _, height := range []int{2160, 720, 1080} {
		if err := p.Resolve(1280, height); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Resolve(1280, 1080); err != nil {
		t.Fatal(err)
	}
	var a, b strings.Builder
	if err := p.WriteText(&a); err != nil {
		t.Fatal(err)
	}
	if err := q.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if a.String() != b.String() {
		t.Errorf("resolved three times:\n%s\nonce:\n%s", &a, &b)
	}
}

// randomPlan joins up to twelve stages at random: gathers, leases, bypasses, feedback.
func randomPlan(r *rand.Rand, batch, micro int, feedback bool) *Plan {
	read, upload := suite()[0], suite()[2]
	p := &Plan{File: "random.toml", Pipeline: Settings{Batch: batch, Micro: micro}}
	add := func(id string, s *Stage) *PlanNode {
		n := &PlanNode{ID: id, Stage: s, In: make([]*Edge, len(s.In))}
		p.Nodes = append(p.Nodes, n)
		return n
	}
	join := func(from, to *PlanNode, port, delay int) {
		e := &Edge{From: from, To: to, ToPort: port, Delay: delay}
		to.In[port], from.Out, p.Edges = e, append(from.Out, e), append(p.Edges, e)
	}
	join(add("read", read), add("upload", upload), 0, 0)
	for i := range 2 + r.IntN(9) {
		s := *flow[none, blendIn, blendOut](fmt.Sprintf("s%d", i), "joins.")
		s.In = []Port{{Name: "a"}, {Name: "b"}, {Name: "c"}}
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
	for _, ring := range p.Cycles() {
		for _, n := range ring {
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
		if err := p.Resolve(0, 0); err != nil {
			var b strings.Builder
			if err := p.WriteText(&b); err != nil {
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
		p := randomPlan(r, 4*micro, micro, false)
		if err := p.Resolve(0, 0); err != nil {
			t.Fatal(err)
		}
		hold := map[*PlanNode]int{}
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

// Small capacities do stop some graphs: what Live says of the chosen ones means something.
func TestTooSmallCapacitiesAreFound(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	stopped := 0
	for range 100 {
		p := randomPlan(r, 8, 4, true)
		for _, e := range p.Edges {
			e.Capacity = 1
		}
		if p.Resolve(0, 0) != nil {
			stopped++
		}
	}
	if stopped < 10 {
		t.Errorf("%d of 100 plans with capacities of 1 stop", stopped)
	}
}
