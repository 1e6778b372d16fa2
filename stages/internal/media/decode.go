//go:build !nomedia

package media

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/asticode/go-astiav"

	"github.com/seed49bbd0e6/tachi/graph"
)

// ErrInterrupted is what Next returns after Interrupt.
var ErrInterrupted = errors.New("interrupted")

// Next returns the frames in order, then why there are no more: io.EOF at a proper end; a graph.Incomplete when the
// input stops short, after every frame that could be decoded; a graph.BadData when the video changes its size.
func (r *Reader) Next() (*Frame, error) {
	f := r.next
	if f == nil {
		return nil, r.nextErr
	}
	r.next, r.nextErr = r.ahead(f)
	if r.next != nil {
		f.Duration = r.next.PTS - f.PTS
		f.Audio = r.audioUntil(r.next.PTS)
	} else {
		f.Audio = r.audioUntil(math.MaxInt64)
	}
	drainLog(r.log, nil)
	return f, nil
}

// ahead decodes the frame after prev.
func (r *Reader) ahead(prev *Frame) (*Frame, error) {
	p, err := r.decode()
	if err == io.EOF {
		return nil, r.verdict(prev.Index)
	}
	if err != nil {
		return nil, err
	}
	return r.finish(p, prev)
}

// finish makes a Frame of the picture just decoded; prev is nil for the first one.
func (r *Reader) finish(p picture, prev *Frame) (*Frame, error) {
	f := &Frame{PTS: p.pts, Duration: p.duration}
	if f.Duration <= 0 {
		f.Duration = r.step
	}
	switch {
	case prev == nil && p.pts == astiav.NoPtsValue:
		f.PTS = 0
	case prev != nil:
		f.Index = prev.Index + 1
		if p.pts == astiav.NoPtsValue {
			f.PTS = prev.PTS + prev.Duration
		}
		f.PTS = max(f.PTS, prev.PTS+1)
	}
	if p.width != r.width || p.height != r.height {
		return nil, graph.Errorf(graph.BadData, "%s: frame %d: the size changes from %dx%d to %dx%d",
			r.name, f.Index, r.width, r.height, p.width, p.height)
	}
	if p.corrupt {
		r.damaged(&r.corrupt.Shown, f.PTS)
	}
	if p.interlaced {
		r.noteInterlaced(f.Index)
	}
	f.RGB = NewRGB(r.stream.Height, r.stream.Width*3)
	rgb := f.RGB
	if r.stored != nil {
		rgb = r.stored
	}
	if err := r.conv.toRGB(r.frame, p.look, rgb, p.width*3); err != nil {
		return nil, graph.Errorf(graph.BadData, "%s: frame %d: %w", r.name, f.Index, err)
	}
	if r.stored != nil {
		r.orient.apply(f.RGB, r.stored, p.width, p.height)
	}
	return f, nil
}

// damaged counts, and notes when it began. pts is in the video's time base.
func (r *Reader) damaged(count *int, pts int64) {
	if r.corrupt.Shown+r.corrupt.Skipped == 0 {
		r.corrupt.Near = r.reached
		if pts != astiav.NoPtsValue {
			r.corrupt.Near = float64(pts) * r.stream.TimeBase.Float()
		}
	}
	*count++
}

// decode leaves the next picture in r.frame. It returns io.EOF when there is none.
func (r *Reader) decode() (picture, error) {
	for barren := 0; ; {
		err := r.receive()
		switch {
		case err == nil:
			return describe(r.frame), nil
		case errors.Is(err, astiav.ErrEof):
			return picture{}, io.EOF
		case errors.Is(err, astiav.ErrEagain):
			if err := r.feed(); err != nil {
				return picture{}, err
			}
		default: // what this packet held is lost; after the last packet there are only so many left inside
			r.damaged(&r.corrupt.Skipped, r.packet.Pts())
			if barren++; r.ended && barren > 64 {
				return picture{}, io.EOF
			}
		}
	}
}

// feed gives the decoder one packet of video, and keeps the audio that comes before it.
func (r *Reader) feed() error {
	for {
		r.packet.Unref()
		err := r.fc.ReadFrame(r.packet)
		switch {
		case errors.Is(err, astiav.ErrEagain): // a device without a picture yet
			continue
		case errors.Is(err, astiav.ErrExit), err == nil && r.stop.interrupted(): // or in the middle of this packet
			return ErrInterrupted
		case err != nil:
			r.ended = true
			if !errors.Is(err, astiav.ErrEof) {
				r.readErr = err
			}
			r.dec.SendPacket(nil) // starts the drain; refused only when it has started
			return nil
		}
		switch index := r.packet.StreamIndex(); {
		case r.audio != nil && index == r.audio.Index():
			r.measure(r.audio)
			r.heard = append(r.heard, newPacket(r.packet))
		case index != r.video.Index():
		case r.cut() && r.packet.Flags().Has(astiav.PacketFlagCorrupt): // the sample that the cut went through
		default:
			r.measure(r.video)
			if err := r.dec.SendPacket(r.packet); err != nil {
				r.damaged(&r.corrupt.Skipped, r.packet.Pts())
				continue
			}
			return nil
		}
	}
}

// measure notes how far into the video the packet reaches.
func (r *Reader) measure(st *astiav.Stream) {
	if pts := r.packet.Pts(); pts != astiav.NoPtsValue {
		r.reached = max(r.reached, float64(pts+r.packet.Duration())*st.TimeBase().Float64())
	}
}

// cut says whether an mp4 lacks samples that its index promises.
func (r *Reader) cut() bool { return r.promised > r.stream.Frames }

// verdict says whether the end after frame last is the true one. The index of an mp4 in a file tells for certain.
// Elsewhere a failed read tells, or a container that announces a length of which more than a twentieth is missing;
// formats that announce nothing (transport streams, raw H.264) just end.
func (r *Reader) verdict(last int) error {
	announced, start := float64(r.fc.Duration())/1e6, max(0, float64(r.fc.StartTime())/1e6)
	missing := announced - (r.reached - start)
	certain := r.promised > 0 && r.fileSize >= 0
	switch {
	case r.cut():
		return r.early(last, cutShort)
	case r.readErr != nil:
		return r.early(last, r.readErr)
	case !certain && headerDuration(r.fc) && missing > max(announced/20, 3/max(1, r.stream.Rate.Float())):
		return r.early(last, cutShort)
	}
	return io.EOF
}

var cutShort = errors.New("the file is cut short")

// early makes the error of an end after frame last that came too soon.
func (r *Reader) early(last int, why error) error {
	promised, about := r.promised, ""
	if promised == 0 && headerDuration(r.fc) {
		promised, about = int(math.Round(float64(r.fc.Duration())/1e6*r.stream.Rate.Float())), "about "
	}
	of := ""
	if promised > last+1 {
		of = fmt.Sprintf(" (%d of %s%d)", last+1, about, promised)
	}
	return graph.Errorf(graph.Incomplete, "%s: ends early after frame %d%s: %w", r.name, last, of, why)
}
