package synthetic

// The four families of clips and every parameter that they draw from. The table is frozen: weights
// have been trained on it and results reported against it. Training and test use the same families
// and differ in their seeds alone.
//
// A clip is named by its family and its seed. Clip i of a stream that starts at seed S is the clip
// of seed S+i, so that any clip of any stream can be drawn again by itself, and ranges of seeds are
// disjoint sets of clips. Streams that run side by side must start at least as far apart as they
// are long.
const (
	TrainingSeeds   = 1_000_000 // up to the validation seeds
	ValidationSeeds = 2_000_000 // up to the test seeds
	TestSeeds       = 3_000_000 // and on; 100 clips a family are the benchmark
)

// Objects is the most objects of a clip.
const Objects = 5

// span is a range to draw from, uniformly unless it is said otherwise.
type span [2]float64

// Family says what a clip may hold. Lengths are shares of the frame's shorter side, times are
// frames. An event (the target hidden, crossed, or outside) has its place in the clip's length, one
// per 60 frames, so that short clips have one too.
type Family struct {
	Name       string
	Doc        string
	Area       span   // of the target, share of the frame on frame 0, drawn uniformly in its logarithm
	Speed      span   // of the target, between the points that its path goes through
	Others     [2]int // dissimilar objects behind the target
	Hide       [2]int // further occluders that stand in the target's way and hide some of it
	LookAlikes [2]int // of the target's shape family, texture and colours, through its path
	Event      span   // where in its share of the clip an event is
	Lasts      span   // share of that share for which the target is hidden or outside, at least two frames
	Occludes   bool   // an event is an occluder, in front of all
	Exits      bool   // an event is the target outside the frame

	// For a family with several kinds of event: one of each, where these say in place of Event.
	CrossAt, ExitAt span
}

// Families is the table.
var Families = []Family{
	{Name: "easy", Doc: "the target in front, other objects behind it",
		Area: span{0.006, 0.09}, Speed: span{0.016, 0.032}, Others: [2]int{0, 3}},
	{Name: "occlusion", Doc: "occluders pass in front of the target and hide it for several frames",
		Area: span{0.006, 0.06}, Speed: span{0.014, 0.028}, Others: [2]int{0, 1}, Hide: [2]int{0, 1},
		Event: span{0.40, 0.65}, Lasts: span{0.07, 0.16}, Occludes: true},
	{Name: "crossing", Doc: "look-alikes cross the target's path, in front of it or behind it",
		Area: span{0.006, 0.06}, Speed: span{0.014, 0.028}, Others: [2]int{0, 1}, LookAlikes: [2]int{1, 2},
		Event: span{0.35, 0.65}},
	{Name: "exit", Doc: "the target leaves the frame and comes back",
		Area: span{0.006, 0.07}, Speed: span{0.014, 0.028}, Others: [2]int{0, 2},
		Event: span{0.30, 0.50}, Lasts: span{0.06, 0.15}, Exits: true},
}

// Tour is no part of the benchmark: a clip with everything, for demonstrations. A look-alike
// crosses, an occluder hides the target, and it leaves and comes back.
var Tour = Family{Name: "tour", Doc: "a look-alike, then an occluder, then an exit",
	Area: span{0.015, 0.04}, Speed: span{0.012, 0.022}, Others: [2]int{1, 1}, LookAlikes: [2]int{1, 1},
	Event: span{0.40, 0.50}, Lasts: span{0.06, 0.10}, Occludes: true, Exits: true,
	CrossAt: span{0.18, 0.25}, ExitAt: span{0.68, 0.74}}

// Find returns a family by name, nil when there is none.
func Find(name string) *Family {
	if name == Tour.Name {
		return &Tour
	}
	for i := range Families {
		if Families[i].Name == name {
			return &Families[i]
		}
	}
	return nil
}

// common is what all families share.
var common = struct {
	// Things and what they look like.
	Camouflage float64 // chance that the target has the background's texture and colours, lighter or darker
	Echo       float64 // chance that the background holds patches of the target's own texture
	Clutter    [2]int  // patches of texture in the background
	Horizon    float64 // chance that the background is two textures with a wavy border
	OtherArea  span    // of the other objects, as Area
	AlikeScale span    // of a look-alike, relative to the target
	Shading    span    // how much darker an object's rim is than its middle

	// Motion. Rates are radians per frame.
	Knots    span // frames between the points of a path
	Spin     span // rotation
	Sway     span // amplitude of the rotation to and fro
	Stretch  span // amplitude of the change of aspect
	Breathe  span // amplitude of the change of scale
	Rate     span // of sway, stretch, scale and outline
	Wobble   span // amplitude of the outline's change
	Passing  span // speed of occluders and look-alikes relative to the target
	Pan      span // of the camera, per frame
	Shake    span // amplitude
	ShakeOne float64
	Zoom     span // amplitude of the change of zoom

	// Light and sensor. Levels are of 255.
	Shutter  span // exposure, share of a frame: motion blur
	Gain     span // amplitude of the change of light
	Ramp     span // change of light over 60 frames
	Noise    span // standard deviation, levels
	Soft     float64
	Compress float64 // chance of quantised 8x8 blocks
	Quantum  span    // step of the lowest frequency, levels
}{
	Camouflage: 0.3, Echo: 0.5, Clutter: [2]int{2, 10}, Horizon: 0.4, OtherArea: span{0.006, 0.06}, AlikeScale: span{0.85, 1.15}, Shading: span{0.1, 0.45},
	Knots: span{12, 26}, Spin: span{-0.05, 0.05}, Sway: span{0, 0.35}, Stretch: span{0, 0.22}, Breathe: span{0, 0.18}, Rate: span{0.05, 0.22}, Wobble: span{0.01, 0.06},
	Passing: span{0.016, 0.034}, Pan: span{0, 0.012}, Shake: span{0, 0.010}, ShakeOne: 0.4, Zoom: span{0, 0.2},
	Shutter: span{0, 0.7}, Gain: span{0, 0.18}, Ramp: span{-0.25, 0.25}, Noise: span{0, 6}, Soft: 0.4, Compress: 0.6, Quantum: span{2, 9},
}
