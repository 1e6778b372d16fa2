package graph

import "context"

// Wrap returns a copy of a stage with something around its instances: around is called on each one
// that opens, and returns what takes its place, usually the same Node with another Fire or Run.
// Measuring, tracing and listening to a stage are wrappers; the stage itself never changes.
func Wrap(s *Stage, around func(env *Env, n *Node) *Node) *Stage {
	wrapped := *s
	wrapped.Open = func(env *Env, options any) (*Node, error) {
		n, err := s.Open(env, options)
		if err != nil {
			return nil, err
		}
		return around(env, n), nil
	}
	return &wrapped
}

// Discard returns a sink with the inputs of s that takes its tokens and does nothing with them.
func Discard(s *Stage) *Stage {
	silent := *s
	silent.Role, silent.Out, silent.OutType = Sink, nil, nil
	silent.Open = func(*Env, any) (*Node, error) {
		return &Node{Fire: func(_ context.Context, in []any) ([]any, error) { return make([]any, len(in)), nil }}, nil
	}
	return &silent
}
