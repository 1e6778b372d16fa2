package sam2

import "github.com/seed49bbd0e6/tachi/graph"

// FromEnv returns the network that a run shares between its stages, at work in the memory of one of
// them.
func FromEnv(env *graph.Env) (*Model, error) {
	if m, ok := env.Model.(*Model); ok && m != nil {
		return m.on(env.Device), nil
	}
	return nil, graph.Errorf(graph.BadConfig, "%s: needs a network, and the file has no [model]", env.Stage)
}

// Or returns a stage's option where the pipeline gives it, and what the network's configuration
// says otherwise. The reference keeps some flags of tracking in the network's YAML file; here both
// places know them.
func Or[T any](option *T, config T) T {
	if option != nil {
		return *option
	}
	return config
}
