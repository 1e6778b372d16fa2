// Package token holds the types that travel on edges. Host tokens are plain data; tokens that hold
// device memory implement graph.Resident. A token is immutable once sent.
//
// What the network makes and takes are its own structs: a token embeds them and adds whose they
// are. So token imports sam2, and the network, which works without frames and streams, knows
// nothing of tokens. In comments on shapes S is sam2.Config.ImageSize, d is Config.Dim and m is
// Config.MemDim.
package token

import (
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/stages/internal/mask"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
)

// Stream describes the video that a frame belongs to. One value is shared by all its frames.
type Stream struct {
	ID            string // file name or address, for messages
	Width, Height int    // stored pixels, after rotation
	Rate          Ratio  // average frames per second, zero when unknown
	TimeBase      Ratio  // seconds per PTS unit
	Frames        int    // exact length, 0 when unknown (not an estimate)
	Objects       []int  // every object that is prompted on any of its frames, ascending
	Audio         any    // the media package's audio track description, nil without audio
	Picture       any    // the media package's notes on the picture (pixel aspect, colour), nil from other sources
}

// Ratio is a fraction.
type Ratio struct{ Num, Den int }

// Float returns the value, 0 for the zero Ratio.
func (r Ratio) Float() float64 {
	if r.Den == 0 {
		return 0
	}
	return float64(r.Num) / float64(r.Den)
}

// Header identifies a frame. It is shared by every token derived from the frame, so a stage that
// needs the prompts or the time of a frame needs no second input.
type Header struct {
	Stream   *Stream
	Index    int      // 0-based
	PTS      int64    // in Stream.TimeBase
	Duration int64    // likewise, 0 when unknown
	Name     string   // file stem of a picture in a folder, else empty
	Prompts  []Prompt // of this frame, ordered by object
	Objects  []int    // every object that exists at this frame (prompted here or before), ascending
}

// Prompt says where an object is on one frame. Coordinates are stored pixels of the upright
// picture, fractions allowed.
type Prompt struct {
	Object int
	Box    *Box    // nil without
	Points []Point // after the box
	Mask   *Mask   // excludes Box and Points
}

// Box is a rectangle in the picture.
type Box = mask.Box

// Point is a click; Label 1 is on the object, 0 is off it.
type Point = sam2.PointPrompt

// Mask is a binary picture.
type Mask = mask.Mask

// Frame is one decoded picture in host memory.
type Frame struct {
	*Header
	RGB   []uint8 // Height*Width*3, displayed orientation
	Audio []any   // the media package's audio packets that belong before the next frame
	Truth []Truth // ground truth of synthetic frames, else nil
}

// Truth is where a synthetic object really is.
type Truth struct {
	Object  int
	Mask    *Mask // visible pixels
	Visible bool
}

// Image is the network's input on the device.
type Image struct {
	*Header
	Dev    kernels.Device
	Pixels *kernels.Tensor // f32 [S, S, 3]
}

// Release frees the pixels.
func (t *Image) Release() { t.Dev.Free(t.Pixels) }

// Features is what the image encoder makes of a frame.
type Features struct {
	*Header
	Dev kernels.Device
	sam2.Features
}

// Release frees the maps.
func (t *Features) Release() {
	for _, x := range t.All() {
		t.Dev.Free(x)
	}
}

// Conditioned is the vision feature of a frame after memory attention, one per object of the
// header, in its order.
type Conditioned struct {
	*Header
	Dev     kernels.Device
	Objects []*kernels.Tensor // f32 [S/16 * S/16, d]
}

// Release frees the maps.
func (t *Conditioned) Release() {
	for _, o := range t.Objects {
		t.Dev.Free(o)
	}
}

// Candidates are the raw answers of the mask decoder, one set per object of the header, in its
// order.
type Candidates struct {
	*Header
	Dev     kernels.Device
	Objects []Candidate
}

// Candidate is the decoder's answer for one object: n masks to choose from, nothing thresholded or
// blanked yet.
type Candidate struct {
	Object int
	sam2.Decoded
	Multimask    bool    // chosen among several by the select stage; false: n is 1
	MaskPrompt   bool    // the masks are the user's own mask: IoU 1, ObjectLogit +-10, PointerLogit decides the pointer
	PointerLogit float32 // object logit of the decoder run that made Tokens; equals ObjectLogit unless MaskPrompt
}

// Release frees the tensors.
func (t *Candidates) Release() {
	for i := range t.Objects {
		t.Dev.Free(t.Objects[i].Masks)
		t.Dev.Free(t.Objects[i].Tokens)
	}
}

// Selection is the device side of the chosen answers, for the memory encoder.
type Selection struct {
	*Header
	Dev     kernels.Device
	Objects []Selected
}

// Selected is one object's choice.
type Selected struct {
	Object      int
	Mask        *kernels.Tensor // f32 [S/4, S/4] logits, -1024 everywhere when the object does not appear
	Pointer     *kernels.Tensor // f32 [d]
	ObjectLogit float32
	IoU         float32  // predicted IoU of the chosen candidate
	KFScore     *float64 // motion IoU of the chosen candidate, nil when the filter had no say
	Prompted    bool     // a prompt was given for this object on this frame: a conditioning memory
}

// Release frees the tensors.
func (t *Selection) Release() {
	for i := range t.Objects {
		t.Dev.Free(t.Objects[i].Mask)
		t.Dev.Free(t.Objects[i].Pointer)
	}
}
