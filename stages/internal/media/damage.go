//go:build !nomedia

package media

import (
	"cmp"
	"math"
	"slices"

	"github.com/asticode/go-astiav"
)

// Damage is seen in four ways. The demuxer marks a packet as corrupt. The decoder marks a picture,
// or refuses a packet. Some decoders only log an error and show what they have. And a picture may
// not come at all: then its packet remains in the packet log when a later picture comes.
//
// Frames are counted as they come. One that gives no picture has no number, as in players.

// Corrupt counts what could not be decoded properly.
type Corrupt struct {
	Shown   int     // frames delivered although parts of them are made up
	Skipped int     // frames that gave no picture
	Joined  int     // packets before the first key frame, of a stream that is joined in the middle
	Errors  int     // that the demuxer found
	Frame   int     // the first frame that is damaged or that comes after a missing one
	Near    float64 // seconds from frame 0 to the damage
}

// Any reports whether there is any damage. Joining a stream in the middle is none.
func (c Corrupt) Any() bool { return c.Shown+c.Skipped+c.Errors > 0 }

// packetLog knows which packets the decoder has and what became of them.
type packetLog struct {
	open     []entry  // packets whose picture has not come
	sent     int      // packets in all
	matched  int      // pictures whose packet is known
	loose    bool     // pictures and packets do not belong together one by one
	animated bool     // it is a WebP that moves
	began    bool     // a key frame was sent
	refused  int      // packets since the last picture that the decoder has refused
	troubled bool     // something was wrong at any time
	recent   int      // pictures for which trouble is recent
	noisy    bool     // the decoder logs errors of sound pictures, too
	marks    [2]*mark // of the packets sent last, nil where there is none
}

// entry is one packet in the decoder.
type entry struct {
	at    int64 // its time
	order int   // its number in decoding order
	mark  *mark // nil unless the demuxer marks it as corrupt
	early bool  // it was sent before any key frame
	last  bool  // it is the last of the file
}

// mark is that of a corrupt packet. A jump in time takes it back: there the demuxer misses packets
// that never were.
type mark struct{ void, counted bool }

// enough is how many pictures have to match their packets before one that is missing is believed to
// be.
const enough = 8

// flagging are the decoders that mark a damaged picture, so that the errors that they log may be
// about less.
var flagging = []string{"h264", "hevc", "vvc", "mpeg1video", "mpeg2video", "mpeg4", "h263", "flv1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "vp9", "av1"}

// newPacketLog is for a video that is read from its beginning, or from where it was sought.
func (r *Reader) newPacketLog() packetLog {
	return packetLog{loose: !oneToOne(r.video), began: r.finite && !timesJump(r.fc)} // others may be joined in the middle
}

// enter notes a packet that goes to the decoder.
func (r *Reader) enter(p *astiav.Packet, last bool) {
	l := &r.packetLog
	if l.sent++; l.sent == 1 {
		l.animated = animatedWebP(p.Data())
	}
	l.marks[0], l.marks[1] = l.marks[1], nil
	if p.Flags().Has(astiav.PacketFlagKey) {
		l.began = true
	}
	e := entry{at: p.Pts(), order: l.sent, early: !l.began, last: last}
	if p.Flags().Has(astiav.PacketFlagCorrupt) {
		e.mark = &mark{}
		l.marks[1] = e.mark
		r.trouble()
	}
	codec := r.video.CodecParameters().CodecID()
	if e.at == astiav.NoPtsValue && intraOnly(codec) {
		e.at = p.Dts()
	}
	if e.at == astiav.NoPtsValue || p.Flags().Has(astiav.PacketFlagDiscard) || hidden(codec, p.Data()) {
		return
	}
	at, _ := slices.BinarySearchFunc(l.open, e.at, func(e entry, at int64) int { return cmp.Compare(e.at, at) })
	l.open = slices.Insert(l.open, at, e)
}

// trouble notes that something is wrong near here.
func (r *Reader) trouble() {
	r.packetLog.troubled, r.packetLog.recent = true, reordering
}

// refuse notes that the decoder gave an error instead of a picture.
func (r *Reader) refuse() {
	if r.packetLog.began {
		r.packetLog.refused++
		r.trouble()
	}
}

// excuse takes back the marks before a jump in time. FFmpeg may mark the packet before the one that
// it means.
func (r *Reader) excuse() {
	if r.held != nil {
		r.held.SetFlags(r.held.Flags().Del(astiav.PacketFlagCorrupt))
	}
	for _, m := range r.packetLog.marks {
		if m == nil || m.void {
			continue
		}
		if m.void = true; m.counted {
			r.corrupt.Shown--
		}
	}
}

// account compares a picture with the packets that were sent, and counts the damage. It reports
// whether the picture is to be left out: what the last packet of a file gives that ends in the
// middle of it.
func (r *Reader) account(p picture, f, prev *Frame) (leave bool) {
	l := &r.packetLog
	decoder := r.complaints.decoder()
	own, missing := r.match(p.packet, prev == nil)
	logged := decoder > 0 && !l.noisy
	quiet := !slices.Contains(flagging, r.video.CodecParameters().CodecID().Name())
	damaged := p.corrupt || own.mark != nil && !own.mark.void
	if own.last && prev != nil && (damaged || logged) && r.mayBeCut() {
		r.ragged = true
		return true
	}
	damaged = damaged || logged && quiet && prev != nil
	l.noisy = l.noisy || decoder > 0 && !damaged && missing+l.refused == 0
	f.damaged = damaged
	if r.demuxer > 0 {
		r.trouble()
	}
	if damaged || missing > 0 {
		r.trouble()
	}
	if l.loose {
		missing = l.refused
	}
	if prev != nil && r.steady {
		gap := int(math.Round(float64(f.PTS-prev.PTS)/float64(r.step))) - 1
		if l.recent > 0 {
			missing = max(missing, gap)
		} else if gap > 0 {
			r.steady = false
		}
	}
	l.recent = max(0, l.recent-1)
	l.refused = 0
	at := f.PTS
	if missing > 0 && prev != nil {
		at = prev.PTS + r.step
	}
	r.hurt(&r.corrupt.Errors, r.demuxer, f.Index, at)
	r.demuxer = 0
	r.hurt(&r.corrupt.Skipped, missing, f.Index, at)
	if damaged {
		r.hurt(&r.corrupt.Shown, 1, f.Index, f.PTS)
		if own.mark != nil && !p.corrupt && !(logged && quiet) {
			own.mark.counted = true
		}
	}
	return false
}

// endsDamaged reports whether frame f, the last one, is to be left out because the file ends in the
// middle of it. It is for streams without times, in which account cannot know which packet the
// picture is from.
func (r *Reader) endsDamaged(f *Frame) bool {
	if !f.damaged || !r.packetLog.loose || f.Index == 0 || !r.mayBeCut() {
		return false
	}
	r.corrupt.Shown--
	r.ragged = true
	return true
}

// match takes the packet of a picture and all before it out of the packet log, and counts those
// that gave no picture.
func (r *Reader) match(at int64, first bool) (own entry, missing int) {
	l := &r.packetLog
	if at == astiav.NoPtsValue {
		l.open, l.loose = nil, true
		return own, 0
	}
	n, _ := slices.BinarySearchFunc(l.open, at, func(e entry, at int64) int { return cmp.Compare(e.at, at) })
	before := l.open[:n]
	if n < len(l.open) && l.open[n].at == at {
		own = l.open[n]
		l.matched++
		n++
	}
	for _, e := range before {
		switch {
		case e.early:
			r.corrupt.Joined++
		case first && e.order > own.order: // it is shown before the first key frame and refers to what is not there
		case first, l.troubled, l.matched > enough:
			missing++
		default:
			l.loose = true
		}
	}
	l.open = slices.Delete(l.open, 0, n)
	return own, missing
}

// missed counts what has not come when the video ends. last is the last frame.
func (r *Reader) missed(last *Frame) {
	l := &r.packetLog
	missing := 0
	if l.loose {
		missing = l.refused
	}
	for _, e := range l.open {
		switch {
		case e.early || l.loose || !l.troubled && l.matched < enough:
		case e.last && r.mayBeCut():
			r.ragged = true
		default:
			missing++
		}
	}
	l.open = nil
	r.hurt(&r.corrupt.Skipped, missing, last.Index+1, last.PTS+last.Duration)
	l.refused = 0
}

// hurt adds to a count, and notes where the first damage is.
func (r *Reader) hurt(count *int, n, frame int, pts int64) {
	if n <= 0 {
		return
	}
	if !r.corrupt.Any() {
		r.corrupt.Frame = frame
		r.corrupt.Near = max(0, float64(pts-r.begin)*r.stream.TimeBase.Float())
	}
	*count += n
}

// hidden reports whether a packet holds a picture that is only referred to and never shown.
func hidden(codec astiav.CodecID, data []byte) bool {
	if len(data) == 0 {
		return true
	}
	switch codec {
	case astiav.CodecIDVp8:
		return data[0]&0x10 == 0
	case astiav.CodecIDVp9:
		if data[len(data)-1]&0xe0 == 0xc0 { // several pictures, the last of which is shown
			return false
		}
		// marker, profile (and a bit more of profile 3), show_existing_frame, frame_type,
		// show_frame
		if profile := data[0] >> 4 & 3; profile == 3 {
			return data[0]&4 == 0 && data[0]&1 == 0
		}
		return data[0]&8 == 0 && data[0]&2 == 0
	}
	return false
}

// animatedWebP reports whether a packet is a whole WebP file whose header says that it moves.
func animatedWebP(data []byte) bool {
	const animation = 2
	return len(data) > 20 && string(data[:4]) == "RIFF" && string(data[8:16]) == "WEBPVP8X" && data[20]&animation != 0
}
