package graph

import (
	"errors"
	"fmt"
)

// Kind classifies an error by whose fault it is, which decides the exit code.
type Kind uint8

const (
	RunFailed  Kind = iota // 1: anything else
	BadData                // 65: the video, weights, prompts or a checkpoint
	BadOutput              // 73: an output cannot be written
	BadConfig              // 78: the pipeline file, the plan or the device
	Incomplete             // 65: the input ended early; all frames before that are complete and outputs get their final names
	BadUsage               // 64: what the caller asks for contradicts itself or lacks something
)

// Error is an error of a known kind.
type Error struct {
	Kind Kind
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error of a kind.
func Errorf(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Err: fmt.Errorf(format, args...)}
}

// KindOf returns the kind of the outermost classified error in the chain, RunFailed when there is
// none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if _, ok := errors.AsType[Diagnostics](err); ok {
		return BadConfig
	}
	return RunFailed
}

// ErrDrained is what emit returns after a request to finish: the source ends, frames in flight
// complete.
var ErrDrained = errors.New("drained")
