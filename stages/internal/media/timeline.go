//go:build !nomedia

package media

import (
	"math"

	"github.com/asticode/go-astiav"
)

// timeline lets time go on where the times in a container jump: where transport streams were
// joined, or a recorder began anew. What follows a jump is moved so that it begins when what came
// before it ends. The sound is moved by as much as the pictures and stays in place relative to
// them.
//
// A jump is a packet that is decoded before the packet before it, and shown before what was read
// ends. Where the container says that its times may jump (AVFMT_TS_DISCONT in FFmpeg: transport
// streams, program streams, Ogg), it is also a packet that comes more than ten seconds too late,
// which is the limit of FFmpeg's own tool. A step forward in any other container is a gap and stays
// one, however long it is. A clock that passes its last bit and begins again at zero has not
// jumped.
type timeline struct {
	video, audio clock
	moved        bool      // the video jumped, the audio has not followed yet
	waiting      []*Packet // audio behind a jump of its own, until the video jumps, too
	jumps        Jumps
	landing      int64 // the time of the first picture behind the first jump, in the video's time base
}

// Jumps counts the places at which the times of a video jumped.
type Jumps struct {
	Count int
	By    float64 // seconds, of the first one: below zero when time went back
	Frame int     // the first frame behind it
	Near  float64 // seconds from frame 0 to that frame, on the timeline without jumps
}

// clock is one stream on a timeline. Its times are in its own time base.
type clock struct {
	unit          float64 // seconds
	cycle         int64   // the time at which the container begins again at zero, 0 for never
	back, forward float64 // seconds, the limits beyond which a step is a jump
	shift         int64   // is added to what the container says
	last, next    int64   // when the packet before is decoded, and how long it lasts from there; NoPtsValue at the beginning
	end           int64   // when the last picture shown of all packets ends

	// Of the packets since the last jump. Program streams do not say of every picture when it is
	// shown; together they last as long as their packets.
	begin   int64 // when the first picture is shown
	total   int64 // how long the pictures last
	untimed bool  // some do not say when they are shown
}

const (
	latest     = 10.0 // seconds that a packet may be late in a container whose times may jump
	soundBack  = 0.1  // seconds that audio may go back
	reordering = 16   // frames; where a container has no times of decoding, FFmpeg guesses them as well as that
)

// newTimeline is for streams of a container; frame is the usual length of one in seconds. audio may
// be nil.
func newTimeline(fc *astiav.FormatContext, video, audio *astiav.Stream, frame float64) timeline {
	back, forward := reordering*frame, math.Inf(1)
	if timesJump(fc) {
		back, forward = frame/2, latest
	}
	t := timeline{video: newClock(video, back, forward)}
	if audio != nil {
		t.audio = newClock(audio, max(back, soundBack), forward)
	}
	return t
}

func newClock(st *astiav.Stream, back, forward float64) clock {
	c := clock{unit: st.TimeBase().Float64(), back: back, forward: forward, last: astiav.NoPtsValue, end: math.MinInt64, begin: math.MaxInt64}
	if bits := wrapBits(st); bits > 0 && bits < 63 {
		c.cycle = 1 << bits
	}
	return c
}

// late returns by how much a time lies behind the end of the packet before under a shift, and
// whether that is a jump. full is what whole turns of the clock contribute; it is not part of late.
func (c *clock) late(at, shift int64) (late, full int64, jump bool) {
	if c.last == astiav.NoPtsValue {
		return 0, 0, false
	}
	late = at + shift - c.next
	if c.cycle > 0 {
		full = int64(math.Round(float64(late)/float64(c.cycle))) * c.cycle
		late -= full
	}
	step := float64(late+c.next-c.last) * c.unit
	return late, full, step < -c.back || float64(late)*c.unit > c.forward
}

// pass notes a packet at a time, before the shift.
func (c *clock) pass(at, duration int64) {
	c.last = at + c.shift
	c.next = c.last + duration
}

// picture moves a packet of video; step is how long a picture lasts when the packet does not say.
func (t *timeline) picture(p *astiav.Packet, step int64) {
	pts, dts := p.Pts(), p.Dts()
	if dts != astiav.NoPtsValue {
		shown, c := dts, &t.video
		if pts != astiav.NoPtsValue {
			shown = pts
		}
		_, full, jump := c.late(dts, c.shift)
		c.shift -= full
		if c.untimed {
			c.end = max(c.end, c.begin+c.total)
		}
		if late := shown + c.shift - c.end; jump && (late > 0 || float64(late)*c.unit < -c.back) {
			c.shift -= late
			t.jumped(float64(late)*c.unit, c.end)
			c.begin, c.total, c.untimed = math.MaxInt64, 0, false
		}
		duration := p.Duration()
		if duration <= 0 {
			duration = step
		}
		c.pass(dts, duration)
		c.begin, c.total = min(c.begin, shown+c.shift), c.total+duration
		c.untimed = c.untimed || pts == astiav.NoPtsValue
		c.end = max(c.end, shown+c.shift+duration)
		p.SetDts(dts + c.shift)
	}
	if pts != astiav.NoPtsValue {
		p.SetPts(pts + t.video.shift)
	}
}

func (t *timeline) jumped(by float64, to int64) {
	if t.moved = true; t.jumps.Count == 0 {
		t.jumps.By, t.jumps.Frame, t.landing = by, -1, to
	}
	t.jumps.Count++
}

// sound moves a packet of audio and returns those whose place is known now.
func (t *timeline) sound(p *Packet) []any {
	c := &t.audio
	at := p.at()
	if at == astiav.NoPtsValue {
		return []any{p}
	}
	if len(t.waiting) == 0 {
		late, full, jump := c.late(at, c.shift)
		if t.moved { // the pictures' new shift is tried, too
			l, f, j := c.late(at, t.follow())
			if !j && (jump || abs(l) < abs(late)) {
				c.shift, late, full, jump, t.moved = t.follow(), l, f, j, false
			}
		}
		if !jump {
			c.shift -= full
			return []any{t.place(p)}
		}
	}
	t.waiting = append(t.waiting, p)
	if begin := t.waiting[0].at(); t.moved || float64(at-begin)*c.unit > latest {
		return t.settle()
	}
	return nil
}

// settle places the audio that waits: as far as the pictures jumped or, where they did not, right
// behind the audio before.
func (t *timeline) settle() (placed []any) {
	if len(t.waiting) == 0 {
		return nil
	}
	c, at := &t.audio, t.waiting[0].at()
	late, full, jump := c.late(at, t.follow())
	c.shift, t.moved = t.follow()-full, false
	if jump {
		c.shift -= late
	}
	for _, p := range t.waiting {
		placed = append(placed, t.place(p))
	}
	t.waiting = nil
	return placed
}

// follow is the shift of the pictures in the audio's time base.
func (t *timeline) follow() int64 {
	return int64(math.Round(float64(t.video.shift) * t.video.unit / t.audio.unit))
}

func (t *timeline) place(p *Packet) *Packet {
	t.audio.pass(p.at(), p.Duration)
	if p.PTS != astiav.NoPtsValue {
		p.PTS += t.audio.shift
	}
	if p.DTS != astiav.NoPtsValue {
		p.DTS += t.audio.shift
	}
	return p
}

// land notes which frame is the first behind the first jump. begin is the time of frame 0.
func (t *timeline) land(f *Frame, begin int64) {
	if t.jumps.Count > 0 && t.jumps.Frame < 0 && f.PTS >= t.landing {
		t.jumps.Frame, t.jumps.Near = f.Index, float64(f.PTS-begin)*t.video.unit
	}
}

func abs(n int64) int64 { return max(n, -n) }
