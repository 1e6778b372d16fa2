//go:build !nomedia

package media

import (
	"runtime"

	"github.com/asticode/go-astiav"

	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// Audio is never decoded: its packets travel with the frames and go into the output as they are.

// Track describes the audio of a video, so that its packets can be copied into another container.
type Track struct {
	Codec    string // FFmpeg's name, e.g. "aac"
	TimeBase token.Ratio

	params *astiav.CodecParameters
}

// Packet is a piece of audio as the container held it.
type Packet struct {
	Data     []byte
	PTS, DTS int64 // in the Track's TimeBase
	Duration int64

	flags astiav.PacketFlags
}

func newTrack(st *astiav.Stream) *Track {
	p := astiav.AllocCodecParameters()
	t := &Track{Codec: st.CodecParameters().CodecID().Name(), TimeBase: ratio(st.TimeBase()), params: p}
	runtime.AddCleanup(t, func(p *astiav.CodecParameters) { p.Free() }, p)
	if err := st.CodecParameters().Copy(p); err != nil {
		return nil // out of memory
	}
	return t
}

// at returns when a packet is decoded, which for audio is when it is heard.
func (p *Packet) at() int64 {
	if p.DTS != astiav.NoPtsValue {
		return p.DTS
	}
	return p.PTS
}

func newPacket(p *astiav.Packet) *Packet {
	return &Packet{Data: p.Data(), PTS: p.Pts(), DTS: p.Dts(), Duration: p.Duration(), flags: p.Flags()}
}

// audioUntil takes the packets that begin before a time in the video's time base.
func (r *Reader) audioUntil(end int64) []any {
	if r.audio == nil {
		return nil
	}
	limit := float64(end) * r.video.TimeBase().Float64()
	unit := r.audio.TimeBase().Float64()
	n := 0
	for n < len(r.pendingAudio) && float64(r.pendingAudio[n].(*Packet).PTS)*unit < limit {
		n++
	}
	out := r.pendingAudio[:n:n]
	r.pendingAudio = r.pendingAudio[n:]
	return out
}
