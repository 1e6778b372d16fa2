package graph

import (
	"context"
	"errors"
	"time"
)

// A small suite in the shape of the real one: a source, an upload that takes leases, an encoder that gathers, a
// tracker with two feedback loops, and sinks. Nothing in it computes.

type (
	frame     struct{ n int }
	image     struct{}
	features  struct{}
	bank      struct{}
	motion    struct{}
	selection struct{}
)

func (*image) Release()    {}
func (*features) Release() {}
func (*bank) Release()     {}

type readOptions struct {
	Path   Path        `toml:"path" doc:"the video" required:"true"`
	Box    []float64   `toml:"box" doc:"x, y, w, h of the object on frame 0"`
	Points [][]float64 `toml:"points" doc:"clicks: x, y, label"`
	Mask   Path        `toml:"mask" doc:"a mask picture"`
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
		errs = append(errs, &OptionError{Key: "threshold", Msg: "is above 1"})
	}
	if o.Weight != nil && *o.Weight < 0 {
		errs = append(errs, &OptionError{Key: "weight", Msg: "is below 0"})
	}
	return errors.Join(errs...)
}

type writeOptions struct {
	Path   OutPath `toml:"path" doc:"the file" required:"true"`
	Events OutPath `toml:"events" doc:"a second file"`
}

type none struct{}

type readOut struct {
	Frame *frame `port:"frame" doc:"the picture"`
}
type uploadIn struct {
	Frame *frame `port:"frame" doc:"the picture"`
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
	Hint        *frame    `port:"hint,optional" doc:"the picture, for its prompts"`
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
	Frame     *frame     `port:"frame" doc:"the picture"`
	Selection *selection `port:"selection" doc:"the answer"`
}
type dumpIn struct {
	A any `port:"a,optional" doc:"anything"`
	B any `port:"b,optional" doc:"anything"`
}
type blendIn struct {
	A *selection `port:"a" doc:"one answer"`
	B *selection `port:"b,optional" doc:"another answer"`
}
type blendOut struct {
	Selection *selection `port:"selection" doc:"the answer of both"`
}
type echoIn struct {
	Before *features `port:"before,delay" doc:"the last frame's"`
}
type shiftIn struct {
	Now    *features `port:"now" doc:"this frame's"`
	Before *features `port:"before,delay" doc:"the last frame's"`
}

func source[O, T any](name, doc string) *Stage {
	return NewSource(name, doc, func(*Env, *O) (func(context.Context, func(*T) error) error, func(error) error, error) {
		return func(context.Context, func(*T) error) error { return nil }, nil, nil
	})
}

func gather[O, I, T any](name, doc string) *Stage {
	return NewGather(name, doc, func(*Env, *O) (func(context.Context, []*I) ([]*T, error), func(error) error, error) {
		return func(_ context.Context, in []*I) ([]*T, error) { return make([]*T, len(in)), nil }, nil, nil
	})
}

func flow[O, I, T any](name, doc string) *Stage {
	return NewFlow(name, doc, func(*Env, *O) (func(context.Context, *I) (*T, error), func(error) error, error) {
		return func(context.Context, *I) (*T, error) { return new(T), nil }, nil, nil
	})
}

func sink[O, I any](name, doc string) *Stage {
	return NewSink(name, doc, func(*Env, *O) (func(context.Context, *I) error, func(error) error, error) {
		return func(context.Context, *I) error { return nil }, nil, nil
	})
}

func suite() []*Stage {
	return []*Stage{
		source[readOptions, readOut]("read", "reads a video. Frames come in order."),
		source[none, readOut]("noise", "makes pictures up."),
		gather[none, uploadIn, uploadOut]("upload", "copies pictures to the device.").WithLease(),
		gather[none, encodeIn, encodeOut]("encode", "looks at a picture."),
		flow[none, attendIn, attendOut]("attend", "remembers."),
		flow[selectOptions, selectIn, selectOut]("pick", "chooses with motion."),
		flow[common, plainIn, plainOut]("pick-plain", "chooses."),
		flow[none, memoryIn, memoryOut]("memory", "keeps."),
		flow[none, blendIn, blendOut]("blend", "mixes two answers."),
		flow[none, shiftIn, attendOut]("shift", "sees the last frame too."),
		flow[none, echoIn, attendOut]("echo", "sees the last frame only."),
		sink[writeOptions, writeIn]("write", "writes the overlay."),
		sink[none, dumpIn]("dump", "takes anything."),
	}
}
