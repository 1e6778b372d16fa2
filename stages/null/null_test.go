package null

import (
	"context"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

func TestEveryTypeOfTokenIsTakenAndLeftAlone(t *testing.T) {
	node, err := Stage.Open(&graph.Env{}, &Options{})
	if err != nil {
		t.Fatal(err)
	}
	ports := map[string]bool{}
	for _, p := range Stage.In {
		ports[p.Name] = p.Optional && !p.Delay
	}
	for _, name := range []string{"frame", "image", "features", "conditioned", "candidates", "selection", "result", "bank", "report"} {
		if !ports[name] {
			t.Errorf("port %s is not there, or not optional", name)
		}
	}
	if len(ports) != 9 || Stage.Role != graph.Sink || len(Stage.Out) != 0 {
		t.Errorf("%d ports, role %v, %d outputs", len(ports), Stage.Role, len(Stage.Out))
	}
	// No device is behind these: whatever touched one would fail.
	h := &token.Header{Objects: []int{1}}
	full := &token.Taps{Frame: &token.Frame{Header: h}, Image: &token.Image{Header: h}, Features: &token.Features{Header: h},
		Conditioned: &token.Conditioned{Header: h}, Candidates: &token.Candidates{Header: h}, Selection: &token.Selection{Header: h},
		Result: &token.Result{Header: h}, Bank: &token.Bank{}, Report: &token.MemoryReport{Header: h}}
	before := *full
	for _, in := range []*token.Taps{{}, full} {
		if _, err := node.Fire(context.Background(), []any{in}); err != nil {
			t.Error(err)
		}
	}
	if *full != before {
		t.Error("the tokens were changed")
	}
}
