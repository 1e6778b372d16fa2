package synthetic

import (
	"context"
	"encoding/json"
	"io"

	"github.com/seed49bbd0e6/tachi/graph"
)

// Clips is a list of clips to draw: number i of a stream is the clip of seed Seed+i, or with all
// families that of family i mod 4 and seed Seed + i/4.
type Clips struct {
	Family        string // or "all"
	Seed          int
	Count         int
	Frames        int
	Width, Height int
	FPS           int
}

// Clip names clip i.
func (c *Clips) Clip(i int) (family string, seed int) {
	if c.Family == "all" {
		return Families[i%len(Families)].Name, c.Seed + i/len(Families)
	}
	return c.Family, c.Seed + i
}

// Options returns the settings of clip i.
func (c *Clips) Options(i int) Options {
	family, seed := c.Clip(i)
	return Options{Width: c.Width, Height: c.Height, Frames: c.Frames, FPS: c.FPS, Seed: seed, Family: family}
}

// Validate checks the settings.
func (c *Clips) Validate() error {
	if c.Count < 1 {
		return &graph.OptionError{Key: "clips", Msg: "must be at least 1"}
	}
	o := c.Options(0)
	return o.Validate()
}

// header is the line before a clip's bytes.
type header struct {
	Seed    uint64 `json:"seed"`
	Family  string `json:"family"`
	Frames  int    `json:"frames"`
	Width   int    `json:"width"`
	Height  int    `json:"height"`
	Objects int    `json:"objects"`
	Target  int    `json:"target"`
}

// Stream writes clips one after the other: a line of JSON, then for each frame the picture [Height,
// Width, 3] and for each object, the target first, its visible mask [Height, Width] of zeros and
// ones. Jobs clips are drawn at once; the bytes do not depend on it.
func (c *Clips) Stream(ctx context.Context, w io.Writer, jobs int) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready := make(chan chan []byte, max(jobs, 1)) // clips in order, drawn or being drawn
	free := make(chan []byte, max(jobs, 1)+1)
	slots := make(chan struct{}, max(jobs, 1))
	go func() {
		defer close(ready)
		for i := range c.Count {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			clip := make(chan []byte, 1)
			go func() {
				defer func() { <-slots }()
				var reuse []byte
				select {
				case reuse = <-free:
				default:
				}
				clip <- c.draw(i, reuse[:0])
			}()
			select {
			case ready <- clip:
			case <-ctx.Done():
				return
			}
		}
	}()
	for clip := range ready {
		b := <-clip
		if _, err := w.Write(b); err != nil {
			return err
		}
		select {
		case free <- b:
		default:
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// draw appends the bytes of clip i.
func (c *Clips) draw(i int, b []byte) []byte {
	o := c.Options(i)
	s := o.Scene()
	line, _ := json.Marshal(header{s.Seed, s.Family.Name, s.Frames, s.Width, s.Height, s.Things(), 1}) // plain numbers and names
	b = append(append(b, line...), '\n')
	picture, masks := 3*s.Width*s.Height, s.Things()*s.Width*s.Height
	begin := len(b)
	if need := begin + s.Frames*(picture+masks); cap(b) < need {
		b = append(make([]byte, 0, need), b...)
	}
	b = b[:begin+s.Frames*(picture+masks)]
	for t := range s.Frames {
		at := b[begin+t*(picture+masks):]
		s.Draw(t, at[:picture], at[picture:][:masks])
	}
	return b
}
