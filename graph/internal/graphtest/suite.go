// Package graphtest has a list of stages for tests.
package graphtest

import (
	"context"
	"errors"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
)

// Suite is a small list of stages in the shape of the real one: a source, an upload that takes
// leases, an encoder that gathers, a tracker with two feedback loops, and sinks. Nothing in it
// computes.

type (
	Frame     struct{ n int }
	image     struct{}
	features  struct{}
	bank      struct{}
	motion    struct{}
	selection struct{}
)

func (*image) Release()    {}
func (*features) Release() {}
func (*bank) Release()     {}

type ReadOptions struct {
	Path   graph.Path  `toml:"path" doc:"the video" required:"true"`
	Box    []float64   `toml:"box" doc:"x, y, w, h of the object on frame 0"`
	Points [][]float64 `toml:"points" doc:"clicks: x, y, label"`
	Mask   graph.Path  `toml:"mask" doc:"a mask picture"`
}

type common struct {
	Threshold float64 `toml:"threshold" doc:"smallest score" default:"0.5"`
}

type selectOptions struct {
	common
	Weight  *float64      `toml:"weight" doc:"share of the motion score; the variant's when absent"`
	Policy  string        `toml:"policy" doc:"what is kept" default:"samurai" enum:"samurai,recent,best-iou"`
	Frames  int           `toml:"frames" doc:"frames before the filter is trusted" default:"15"`
	Wait    time.Duration `toml:"wait" doc:"patience with a slow neighbour" default:"2s"`
	Scales  []float64     `toml:"scales" doc:"sizes to try" default:"[1, 0.5]"`
	Names   []string      `toml:"names" doc:"what to call the objects"`
	Verbose bool          `toml:"verbose" doc:"say more"`
}

func (o *selectOptions) Validate() error {
	var errs []error
	if o.Threshold > 1 {
		errs = append(errs, &graph.OptionError{Key: "threshold", Msg: "is above 1"})
	}
	if o.Weight != nil && *o.Weight < 0 {
		errs = append(errs, &graph.OptionError{Key: "weight", Msg: "is below 0"})
	}
	return errors.Join(errs...)
}

type writeOptions struct {
	Path   graph.OutPath `toml:"path" doc:"the file" required:"true"`
	Events graph.OutPath `toml:"events" doc:"a second file"`
}

type None struct{}

type ReadOut struct {
	Frame *Frame `port:"frame" doc:"the picture"`
}
type uploadIn struct {
	Frame *Frame `port:"frame" doc:"the picture"`
}
type uploadOut struct {
	Image *image `port:"image" doc:"the picture, on the device"`
}
type encodeIn struct {
	Image *image `port:"image" doc:"the picture, on the device"`
}
type encodeOut struct {
	Features *features `port:"features" doc:"what the encoder sees"`
}
type attendIn struct {
	Features *features `port:"features" doc:"what the encoder sees"`
	Bank     *bank     `port:"bank,delay" doc:"the memory after the frame before"`
}
type attendOut struct {
	Conditioned *features `port:"conditioned" doc:"features that know the past"`
}
type selectIn struct {
	Conditioned *features `port:"conditioned" doc:"features that know the past"`
	Motion      *motion   `port:"motion,delay" doc:"the filter after the frame before"`
	Hint        *Frame    `port:"hint,optional" doc:"the picture, for its prompts"`
}
type selectOut struct {
	Selection *selection `port:"selection" doc:"the answer"`
	Motion    *motion    `port:"motion" doc:"the filter"`
}
type plainIn struct {
	Conditioned *features `port:"conditioned" doc:"features that know the past"`
}
type plainOut struct {
	Selection *selection `port:"selection" doc:"the answer"`
}
type memoryIn struct {
	Features  *features  `port:"features" doc:"what the encoder sees"`
	Selection *selection `port:"selection" doc:"the answer"`
	Bank      *bank      `port:"bank,delay" doc:"the memory after the frame before"`
}
type memoryOut struct {
	Bank *bank `port:"bank,state" doc:"the memory"`
}
type writeIn struct {
	Frame     *Frame     `port:"frame" doc:"the picture"`
	Selection *selection `port:"selection" doc:"the answer"`
}
type dumpIn struct {
	A any `port:"a,optional" doc:"anything"`
	B any `port:"b,optional" doc:"anything"`
}
type BlendIn struct {
	A *selection `port:"a" doc:"one answer"`
	B *selection `port:"b,optional" doc:"another answer"`
}
type BlendOut struct {
	Selection *selection `port:"selection" doc:"the answer of both"`
}
type echoIn struct {
	Before *features `port:"before,delay" doc:"the last frame's"`
}
type shiftIn struct {
	Now    *features `port:"now" doc:"this frame's"`
	Before *features `port:"before,delay" doc:"the last frame's"`
}

func Source[O, T any](name, doc string) *graph.Stage {
	return graph.NewSource(name, doc, func(*graph.Env, *O) (func(context.Context, func(*T) error) error, func(error) error, error) {
		return func(context.Context, func(*T) error) error { return nil }, nil, nil
	})
}

func gather[O, I, T any](name, doc string) *graph.Stage {
	return graph.NewGather(name, doc, func(*graph.Env, *O) (func(context.Context, []*I) ([]*T, error), func(error) error, error) {
		return func(_ context.Context, in []*I) ([]*T, error) { return make([]*T, len(in)), nil }, nil, nil
	})
}

func Flow[O, I, T any](name, doc string) *graph.Stage {
	return graph.NewFlow(name, doc, func(*graph.Env, *O) (func(context.Context, *I) (*T, error), func(error) error, error) {
		return func(context.Context, *I) (*T, error) { return new(T), nil }, nil, nil
	})
}

func sink[O, I any](name, doc string) *graph.Stage {
	return graph.NewSink(name, doc, func(*graph.Env, *O) (func(context.Context, *I) error, func(error) error, error) {
		return func(context.Context, *I) error { return nil }, nil, nil
	})
}

func Suite() []*graph.Stage {
	return []*graph.Stage{
		Source[ReadOptions, ReadOut]("read", "reads a video. Frames come in order."),
		Source[None, ReadOut]("noise", "makes pictures up."),
		gather[None, uploadIn, uploadOut]("upload", "copies pictures to the device.").WithLease(),
		gather[None, encodeIn, encodeOut]("encode", "looks at a picture."),
		Flow[None, attendIn, attendOut]("attend", "remembers."),
		Flow[selectOptions, selectIn, selectOut]("pick", "chooses with motion."),
		Flow[common, plainIn, plainOut]("pick-plain", "chooses."),
		Flow[None, memoryIn, memoryOut]("memory", "keeps."),
		Flow[None, BlendIn, BlendOut]("blend", "mixes two answers."),
		Flow[None, shiftIn, attendOut]("shift", "sees the last frame too."),
		Flow[None, echoIn, attendOut]("echo", "sees the last frame only."),
		sink[writeOptions, writeIn]("write", "writes the overlay."),
		sink[None, dumpIn]("dump", "takes anything."),
	}
}
