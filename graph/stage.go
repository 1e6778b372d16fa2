// Package graph declares stages and holds the checked Plan that joins them. Packages tree and load
// read and check a pipeline file, analyze says what a plan will do. It names no stage and starts no
// goroutine: what a stage is, which ports it has and how its options read is declared by its value.
//
// A stage is a pure function of its input tokens. What must survive a frame is a token on a delay
// edge (delay = 1): the firing for frame t receives the token of frame t-1, and the first firing
// receives the zero value of the port's type. Only sources and sinks hold state of their own: open
// files.
package graph

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Role is the place of a stage in a graph.
type Role uint8

const (
	Source Role = iota // no inputs; emits frames until it ends
	Flow               // one set of output tokens for each set of input tokens
	Sink               // no outputs
)

func (r Role) String() string { return [...]string{"source", "flow", "sink"}[r] }

// Stage is the value that declares a stage. Make one with NewSource, NewFlow, NewGather or NewSink.
type Stage struct {
	Name    string // as written after "stage =", e.g. "memory-attend"
	Doc     string // one sentence, then details
	Role    Role
	Options reflect.Type // struct; see the tags at NewFlow
	In, Out []Port
	InType  reflect.Type // struct that carries one firing's inputs, nil for sources
	OutType reflect.Type // struct that carries one firing's outputs, nil for sinks

	Lease  bool // takes a residency lease for each frame before it fires (h2d)
	Gather bool // may fire on several frames at once when outside every cycle

	// Probe says what a source will deliver, before the run. Nil when it cannot tell.
	Probe func(env *Env, options any) (Probe, error)
	// Imagine makes frames for a dry run without reading the input: of the size that Probe found,
	// first those with prompts, then so many more without. Nil when it cannot.
	Imagine func(env *Env, options any, p Probe, frames int) ([]any, error)
	// Check reports whether a sink can take what Probe found, before anything is loaded or opened. Nil
	// when it takes all.
	Check func(options any, p Probe) error
	// Open makes an instance. options is a pointer to a decoded Options struct.
	Open func(env *Env, options any) (*Node, error)
}

// Port is one typed input or output.
type Port struct {
	Name     string
	Doc      string
	Type     reflect.Type
	Field    int  // index of the field in InType or OutType
	Optional bool // an input that may stay unconnected; its field keeps the zero value
	Delay    bool // an input that must come over a delay edge
	State    bool // an output that lives in reserved memory and carries no lease
}

// Device reports whether tokens of this port hold device memory.
func (p *Port) Device() bool { return p.Type.Implements(reflect.TypeFor[Resident]()) }

// Resident is a token that holds device memory. The runtime calls Release once, after the last
// consumer of the token has finished with it; a nil token is never released.
type Resident interface{ Release() }

// State is a token that a checkpoint can hold. What goes over a delay edge must be one for a run to
// be resumed.
type State interface {
	// Save returns what Load needs to make an equal token.
	Save() ([]byte, error)
	// Load is called on the zero value of the type, a nil pointer.
	Load(dev kernels.Device, data []byte) (any, error)
}

// Node is a running instance of a stage. Exactly one of Run and Fire is set.
type Node struct {
	// Run emits one output struct (as a pointer) per frame, in order, until the end of the stream.
	// emit blocks for backpressure, and returns an error when the run is over or draining: return
	// that error at once.
	Run func(ctx context.Context, emit func(out any) error) error

	// Fire maps input structs to output structs (both as pointers), one to one. Stages without
	// Gather always get one. A sink returns nil.
	Fire func(ctx context.Context, in []any) ([]any, error)

	// Close ends the instance. cause is nil when every frame has passed: only then does a sink give
	// its files their final names. May be nil.
	Close func(cause error) error
}

// Probe is what is known of a stream before it runs.
type Probe struct {
	Width, Height int     // stored pixels, upright
	Frames        int     // 0 when unknown
	Rate          float64 // frames per second, 0 when unknown
	Objects       int     // prompted objects
	Prompts       Prompts // of these; zero where they are few or not known
	Thin          int     // imagine only so many prompts of one object, and one of each kind of the others; 0: all
	Surfaces      int     // bytes of a GPU that its decoder keeps pictures in
}

// Prompts are counts of a source's prompts.
type Prompts struct {
	Most   int // of the object that has most
	Others int // of all other objects together
	Kept   int // of these in a thinned set
}

// Env is what a stage may use of the world.
type Env struct {
	Device kernels.Device
	Model  any    // the loaded network, shared and immutable; nil in graphs without [model]
	Batch  int    // frames resident on the device at once
	Micro  int    // frames in one firing of a gathering stage
	Stage  string // the instance's name in the file, for messages

	// Drain is closed when the run is asked to finish. emit will say so as well; a source that
	// waits for input between two frames stops waiting, and returns ErrDrained.
	Drain <-chan struct{}

	// Save is set by a sink that can be resumed, when it opens: it brings all frames so far to the
	// disk and returns what an instance that is opened with it as Resume needs to go on behind
	// them. A source may set it, to find the place again without reading all that comes before: it
	// then sets First to the number of frames that it leaves out.
	Save   func() ([]byte, error)
	Resume []byte
	First  int

	Overwrite bool // existing outputs may be replaced
	Log       zerolog.Logger
}

// Path is an option that names an input file. Relative paths in a pipeline file are relative to
// that file.
type Path string

// OutPath is an option that names an output. Relative paths are relative to the file, or to -o
// where given.
type OutPath string

// Validator lets an options struct check what tags cannot say. An error of type *OptionError points
// at its key.
type Validator interface{ Validate() error }

// OptionError is a complaint about one option.
type OptionError struct {
	Key string
	Msg string
}

func (e *OptionError) Error() string { return e.Key + ": " + e.Msg }

// NewSource declares a source with options O and output ports T. Options are fields with the tags
//
//	toml:"name" doc:"what it does" default:"value" enum:"a,b" required:"true"
//
// A pointer field without a default is nil when absent. Embedded structs are inlined. Ports are
// fields with
//
//	port:"name" doc:"what it carries"
//
// followed in the port tag by ",optional" or ",delay" on inputs and ",state" on outputs.
func NewSource[O, T any](name, doc string, open func(env *Env, o *O) (run func(ctx context.Context, emit func(*T) error) error, close func(error) error, err error)) *Stage {
	s := &Stage{Name: name, Doc: doc, Role: Source, Options: reflect.TypeFor[O](), OutType: reflect.TypeFor[T]()}
	s.Out = ports(s.OutType)
	s.Open = func(env *Env, options any) (*Node, error) {
		run, closer, err := open(env, options.(*O))
		if err != nil {
			return nil, err
		}
		return &Node{
			Run: func(ctx context.Context, emit func(any) error) error {
				return run(ctx, func(t *T) error { return emit(t) })
			},
			Close: closer,
		}, nil
	}
	return s
}

// NewFlow declares a stage with options O that maps inputs I to outputs T, one frame at a time.
func NewFlow[O, I, T any](name, doc string, open func(env *Env, o *O) (fire func(ctx context.Context, in *I) (*T, error), close func(error) error, err error)) *Stage {
	return NewGather(name, doc, func(env *Env, o *O) (func(context.Context, []*I) ([]*T, error), func(error) error, error) {
		fire, closer, err := open(env, o)
		return func(ctx context.Context, in []*I) ([]*T, error) {
			out := make([]*T, len(in))
			for i := range in {
				var err error
				if out[i], err = fire(ctx, in[i]); err != nil {
					return nil, err
				}
			}
			return out, nil
		}, closer, err
	}).with(func(s *Stage) { s.Gather = false })
}

// NewGather declares a flow that may fire on several frames at once: outputs match inputs one to
// one.
func NewGather[O, I, T any](name, doc string, open func(env *Env, o *O) (fire func(ctx context.Context, in []*I) ([]*T, error), close func(error) error, err error)) *Stage {
	s := &Stage{Name: name, Doc: doc, Role: Flow, Gather: true, Options: reflect.TypeFor[O](), InType: reflect.TypeFor[I](), OutType: reflect.TypeFor[T]()}
	s.In, s.Out = ports(s.InType), ports(s.OutType)
	s.Open = func(env *Env, options any) (*Node, error) {
		fire, closer, err := open(env, options.(*O))
		if err != nil {
			return nil, err
		}
		return &Node{
			Fire: func(ctx context.Context, in []any) ([]any, error) {
				typed := make([]*I, len(in))
				for i := range in {
					typed[i] = in[i].(*I)
				}
				out, err := fire(ctx, typed)
				if err != nil {
					return nil, err
				}
				if len(out) != len(in) {
					return nil, fmt.Errorf("%d outputs for %d inputs", len(out), len(in))
				}
				untyped := make([]any, len(out))
				for i := range out {
					untyped[i] = out[i]
				}
				return untyped, nil
			},
			Close: closer,
		}, nil
	}
	return s
}

// NewSink declares a stage without outputs.
func NewSink[O, I any](name, doc string, open func(env *Env, o *O) (fire func(ctx context.Context, in *I) error, close func(error) error, err error)) *Stage {
	s := NewFlow(name, doc, func(env *Env, o *O) (func(context.Context, *I) (*struct{}, error), func(error) error, error) {
		fire, closer, err := open(env, o)
		return func(ctx context.Context, in *I) (*struct{}, error) { return nil, fire(ctx, in) }, closer, err
	})
	s.Role, s.OutType, s.Out = Sink, nil, nil
	return s
}

func (s *Stage) with(set func(*Stage)) *Stage { set(s); return s }

// WithLease marks a stage as the one that takes the residency lease of a frame.
func (s *Stage) WithLease() *Stage { return s.with(func(s *Stage) { s.Lease = true }) }

// WithProbe attaches a source's Probe.
func WithProbe[O any](s *Stage, probe func(env *Env, o *O) (Probe, error)) *Stage {
	s.Probe = func(env *Env, options any) (Probe, error) { return probe(env, options.(*O)) }
	return s
}

// WithCheck attaches a sink's Check.
func WithCheck[O any](s *Stage, check func(o *O, p Probe) error) *Stage {
	s.Check = func(options any, p Probe) error { return check(options.(*O), p) }
	return s
}

// WithImagine attaches a source's Imagine.
func WithImagine[O, T any](s *Stage, imagine func(env *Env, o *O, p Probe, frames int) ([]*T, error)) *Stage {
	s.Imagine = func(env *Env, options any, p Probe, frames int) ([]any, error) {
		typed, err := imagine(env, options.(*O), p, frames)
		out := make([]any, len(typed))
		for i, t := range typed {
			out[i] = t
		}
		return out, err
	}
	return s
}

// ports reads the port tags of a struct. A wrong tag is a programming error and panics at start-up.
func ports(t reflect.Type) []Port {
	var out []Port
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("port")
		if !ok {
			continue
		}
		name, flags, _ := strings.Cut(tag, ",")
		p := Port{Name: name, Doc: f.Tag.Get("doc"), Type: f.Type, Field: i}
		for flag := range strings.SplitSeq(flags, ",") {
			switch flag {
			case "":
			case "optional":
				p.Optional = true
			case "delay":
				p.Delay = true
			case "state":
				p.State = true
			default:
				panic(fmt.Sprintf("graph: port %s.%s: unknown flag %q", t, name, flag))
			}
		}
		out = append(out, p)
	}
	return out
}
