//go:build !nomedia

package media

import (
	"errors"
	"io"
	"math"

	"github.com/asticode/go-astiav"

	"github.com/seed49bbd0e6/tachi/graph"
)

// ErrInterrupted is what Next returns after Interrupt.
var ErrInterrupted = errors.New("interrupted")

// Next returns the frames in order, then why there are no more: io.EOF at a proper end; a
// graph.Incomplete when the input stops short, after every frame that could be decoded; a
// graph.BadData when the video changes its size.
func (r *Reader) Next() (*Frame, error) {
	f := r.next
	if f == nil {
		return nil, r.nextErr
	}
	r.next, r.nextErr = r.ahead(f)
	if r.next == nil && r.nextErr == io.EOF && r.endsDamaged(f) {
		r.nextErr = r.verdict(f.Index - 1)
		return nil, r.nextErr
	}
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
	for {
		p, err := r.decode()
		if err == io.EOF {
			r.missed(prev)
			return nil, r.verdict(prev.Index)
		}
		if err != nil {
			return nil, err
		}
		if f, err := r.finish(p, prev); f != nil || err != nil {
			return f, err
		}
	}
}

// finish makes a Frame of the picture just decoded; prev is nil for the first one. There is none
// where a file ends in the middle of the picture.
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
		return nil, graph.Errorf(graph.Incomplete, "%s: frame %d: the size changes from %dx%d to %dx%d",
			r.name, f.Index, r.width, r.height, p.width, p.height)
	}
	if r.account(p, f, prev) {
		return nil, nil
	}
	if p.interlaced {
		r.noteInterlaced(f.Index)
	}
	f.Lost = r.corrupt.Skipped
	r.timeline.land(f, r.begin)
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

// decode leaves the next picture in r.frame. It returns io.EOF when there is none.
func (r *Reader) decode() (picture, error) {
	for emptyPackets := 0; ; {
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
			r.refuse()
			if emptyPackets++; r.ended && emptyPackets > 64 {
				return picture{}, io.EOF
			}
		}
	}
}

// feed gives the decoder one packet of video. In a file it looks one packet further, to know which
// is the last; elsewhere only behind a packet that is marked as corrupt, because looking takes time
// there.
func (r *Reader) feed() error {
	for {
		if !r.ended {
			if err := r.read(); err != nil {
				return err
			}
		}
		switch {
		case r.ended && r.held == nil:
			r.dec.SendPacket(nil) // starts the drain; refused only when it has started
			return nil
		case r.ended:
			last := r.held
			r.held = nil
			defer last.Free()
			if last.Flags().Has(astiav.PacketFlagCorrupt) && r.mayBeCut() { // the sample that the cut went through
				r.ragged = true
				continue
			}
			if r.send(last, true) {
				return nil
			}
		case r.held != nil:
			r.held, r.packet = r.packet, r.held
			if r.send(r.packet, false) {
				return nil
			}
		case r.lookahead || r.packet.Flags().Has(astiav.PacketFlagCorrupt):
			r.held, r.packet = r.packet, astiav.AllocPacket()
		default:
			if r.send(r.packet, false) {
				return nil
			}
		}
	}
}

// send reports whether the decoder takes a packet.
func (r *Reader) send(p *astiav.Packet, last bool) bool {
	r.enter(p, last)
	if err := r.dec.SendPacket(p); err != nil {
		r.refuse()
		return false
	}
	return true
}

// read leaves the next packet of video in r.packet, and keeps the audio before it. At the end it
// sets r.ended.
func (r *Reader) read() error {
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
			if r.complaints.demuxer() > 0 && r.mayBeCut() {
				r.ragged = true
			}
			if !errors.Is(err, astiav.ErrEof) {
				r.readErr = err
			}
			r.keepAudio(r.timeline.settle())
			return nil
		}
		r.demuxer += r.complaints.demuxer()
		switch index := r.packet.StreamIndex(); {
		case r.audio != nil && index == r.audio.Index():
			r.keepAudio(r.timeline.sound(newPacket(r.packet)))
		case index != r.video.Index():
		case r.cut() && r.packet.Flags().Has(astiav.PacketFlagCorrupt): // the sample that the cut went through
		default:
			jumps := r.timeline.jumps.Count
			r.timeline.picture(r.packet, r.step)
			if r.timeline.jumps.Count > jumps {
				r.excuse()
				r.keepAudio(r.timeline.settle())
			}
			r.measure()
			return nil
		}
	}
}

// keepAudio keeps audio for the frames that it is heard with.
func (r *Reader) keepAudio(packets []any) {
	for _, p := range packets {
		if p := p.(*Packet); p.at() != astiav.NoPtsValue {
			r.reach(p.at()+p.Duration, r.audio)
		}
	}
	r.pendingAudio = append(r.pendingAudio, packets...)
}
