package graph

import (
	"context"
	"fmt"
	"slices"
)

// A Stepper fires the stages of a plan one after the other, in the caller's goroutine. It is what
// package runtime does, without concurrency, leases and files: dry runs and tests step through a
// plan. The caller plays the source and emits frames; Settle then fires every stage that has its
// inputs, until none has.
//
// A token is released when its last reader has fired. Where Made is set it stays instead, and the
// caller releases it.
type Stepper struct {
	Plan *Plan
	// Open makes the instance of a flow or a sink. A nil Node drops its inputs and answers nothing.
	Open func(n *PlanNode) (*Node, error)
	// Before is called before each firing on so many frames. May be nil.
	Before func(n *PlanNode, frames int) error
	// Made is called with each token when it is put on its edges. May be nil.
	Made func(n *PlanNode, port int, t *Token)

	nodes  map[*PlanNode]*Node
	queues map[*Edge][]*Token
	taken  map[*Edge]int // tokens taken from an edge, its initial one included
}

// Token is a value on the edges of one output port.
type Token struct {
	Value   any
	Readers int // that have not fired on it yet
}

// Start opens the instances.
func (s *Stepper) Start() error {
	s.nodes, s.queues, s.taken = map[*PlanNode]*Node{}, map[*Edge][]*Token{}, map[*Edge]int{}
	for _, n := range s.Plan.Nodes {
		if n.Stage.Role == Source {
			continue
		}
		inst, err := s.Open(n)
		if err != nil {
			return fmt.Errorf("%s: %w", n.ID, err)
		}
		s.nodes[n] = inst
	}
	return nil
}

// Emit puts the outputs of a firing on the edges that leave n.
func (s *Stepper) Emit(n *PlanNode, outs ...any) error {
	for _, out := range outs {
		values, err := n.Stage.Outputs(out)
		if err != nil {
			return fmt.Errorf("%s: %w", n.ID, err)
		}
		for port, v := range values {
			t := &Token{Value: v}
			for _, e := range n.Out {
				if e.FromPort == port {
					t.Readers++
					s.queues[e] = append(s.queues[e], t)
				}
			}
			if s.Made != nil {
				s.Made(n, port, t)
			} else if t.Readers == 0 {
				s.release(t)
			}
		}
	}
	return nil
}

// Settle fires whatever has its inputs until nothing has.
func (s *Stepper) Settle() error {
	for moved := true; moved; {
		moved = false
		for _, n := range s.Plan.Nodes[1:] {
			for s.ready(n) {
				if err := s.fire(n); err != nil {
					return fmt.Errorf("%s: %w", n.ID, err)
				}
				moved = true
			}
		}
	}
	return nil
}

// ready reports whether a stage has tokens for a whole firing.
func (s *Stepper) ready(n *PlanNode) bool {
	return !slices.ContainsFunc(n.In, func(e *Edge) bool {
		if e == nil {
			return false
		}
		have := len(s.queues[e])
		if s.taken[e] == 0 {
			have += e.Delay // the initial token
		}
		return have < s.Plan.Inside(n)
	})
}

// fire takes the tokens of one firing and puts the outputs on the edges.
func (s *Stepper) fire(n *PlanNode) error {
	ins, used := make([]any, s.Plan.Inside(n)), []*Token{}
	for i := range ins {
		values := make([]any, len(n.In))
		for port, e := range n.In {
			if e == nil {
				continue
			}
			if s.taken[e]++; s.taken[e] <= e.Delay {
				continue // the zero value
			}
			t := s.queues[e][0]
			s.queues[e], used = s.queues[e][1:], append(used, t)
			values[port] = t.Value
		}
		ins[i] = n.Stage.Inputs(values)
	}
	var outs []any
	if inst := s.nodes[n]; inst != nil {
		if s.Before != nil {
			if err := s.Before(n, len(ins)); err != nil {
				return err
			}
		}
		var err error
		if outs, err = inst.Fire(context.Background(), ins); err != nil {
			return err
		}
	}
	for _, t := range used {
		if t.Readers--; t.Readers == 0 && s.Made == nil {
			s.release(t)
		}
	}
	if len(n.Stage.Out) == 0 {
		return nil
	}
	return s.Emit(n, outs...)
}

func (s *Stepper) release(t *Token) {
	if r := Held(t.Value); r != nil {
		r.Release()
	}
}

// Close drops the tokens that are still on edges and closes the instances. The first error is
// returned.
func (s *Stepper) Close() (err error) {
	for _, e := range s.Plan.Edges {
		for _, t := range s.queues[e] {
			if t.Readers--; t.Readers == 0 && s.Made == nil {
				s.release(t)
			}
		}
		delete(s.queues, e)
	}
	for _, n := range s.Plan.Nodes {
		if inst := s.nodes[n]; inst != nil && inst.Close != nil {
			if e := inst.Close(nil); err == nil {
				err = e
			}
		}
	}
	return err
}
