// Package null is the sink that swallows whatever it is connected to, for benchmarks.
package null

import (
	"context"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Stage is "null".
var Stage = graph.NewSink("null", "Takes tokens of any type and does nothing with them.", open)

// Options has no keys.
type Options struct{}

func open(*graph.Env, *Options) (func(context.Context, *token.Taps) error, func(error) error, error) {
	return func(context.Context, *token.Taps) error { return nil }, nil, nil
}
