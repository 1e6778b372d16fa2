//go:build !nomedia

package media

import (
	"errors"
	"fmt"
	"slices"

	"github.com/asticode/go-astiav"
)

// Join writes the mp4 files of successive Writers with equal options as one, without decoding
// anything: packet after packet, at the times they have. A part in which nothing is heard has no
// audio stream, whichever part it is.
//
// Times are those of a single Writer. Each part's encoder began anew, and counted from its own
// first frames how long before it is shown a frame is to be decoded; here that is counted through.
// And FFmpeg does not tell how long the last packet of a part lasts. So all parts are read twice:
// first for what there is.
func Join(parts []string, path string) (err error) {
	installLog()
	j := &joiner{packet: astiav.AllocPacket()}
	defer j.free()
	if err := j.begin(parts, "file:"+path); err != nil {
		return err
	}
	for i, part := range parts {
		if err := j.add(part, j.parts[i]); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	if err := j.out.WriteTrailer(); err != nil {
		return system(err)
	}
	return system(closeOutput(j.out))
}

type joiner struct {
	out    *astiav.FormatContext
	packet *astiav.Packet
	tracks map[astiav.MediaType]*track
	parts  [][]content // of each part, of each stream
	shown  []int64     // when the frames are shown, in order
	sent   int         // packets of video written
	delay  int         // frames that the encoder looks ahead
}

// track is a stream of the output.
type track struct {
	*astiav.Stream
	last int64 // dts of the last packet
}

// content is what a stream of a part holds.
type content struct {
	packets int
	end     int64 // of the last one, in the order of decoding and in the time base of the part
}

// begin opens the output with the streams that there are in any part.
func (j *joiner) begin(parts []string, url string) (err error) {
	if j.out, err = astiav.AllocOutputFormatContext(nil, "mp4", url); err != nil {
		return fmt.Errorf("mp4: %w", err)
	}
	j.tracks = map[astiav.MediaType]*track{}
	for _, part := range parts {
		if err := j.look(part); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	slices.Sort(j.shown)
	if err := openOutput(j.out, url); err != nil {
		return system(err)
	}
	return begin(j.out)
}

// look notes what a part holds, and adds the streams that the output does not have yet.
func (j *joiner) look(part string) error {
	in, err := openPart(part)
	if err != nil {
		return err
	}
	defer closePart(in)
	streams := in.Streams()
	for _, s := range streams {
		if err := j.addTrack(s); err != nil {
			return err
		}
	}
	held := make([]content, len(streams))
	first := make([]int64, len(streams)) // dts
	var dts []int64                      // of the video
	from := len(j.shown)
	for {
		j.packet.Unref()
		if err := in.ReadFrame(j.packet); errors.Is(err, astiav.ErrEof) {
			break
		} else if err != nil {
			return system(err)
		}
		i := j.packet.StreamIndex()
		if held[i].packets++; held[i].packets == 1 {
			first[i] = j.packet.Dts()
		}
		if streams[i].CodecParameters().MediaType() == astiav.MediaTypeVideo {
			j.shown, dts = append(j.shown, j.packet.Pts()), append(dts, j.packet.Dts())
		}
	}
	for i, s := range streams {
		if s.CodecParameters().MediaType() == astiav.MediaTypeAudio {
			first[i] = max(0, first[i]) // FFmpeg does not count what is only there to begin with
		}
		held[i].end = first[i] + s.Duration()
	}
	if len(dts) > 0 {
		begin := slices.Min(j.shown[from:])
		ahead := 0
		for _, d := range dts {
			if d < begin {
				ahead++
			}
		}
		j.delay = max(j.delay, ahead)
	}
	j.parts = append(j.parts, held)
	return nil
}

// addTrack adds a stream to the output if it has none of this kind.
func (j *joiner) addTrack(s *astiav.Stream) error {
	kind := s.CodecParameters().MediaType()
	if j.tracks[kind] != nil {
		return nil
	}
	out := j.out.NewStream(nil)
	if err := s.CodecParameters().Copy(out.CodecParameters()); err != nil {
		return err
	}
	out.CodecParameters().SetCodecTag(0)
	out.SetTimeBase(s.TimeBase())
	out.SetAvgFrameRate(s.AvgFrameRate())
	out.SetSampleAspectRatio(s.SampleAspectRatio())
	j.tracks[kind] = &track{out, -1 << 62}
	return nil
}

// decoded returns when packet n of the video is to be decoded: when the frame is shown that comes
// as many before it as the encoder looks ahead, as x264 has it.
func (j *joiner) decoded(n int) int64 {
	if n >= j.delay {
		return j.shown[n-j.delay]
	}
	return j.shown[n] - (j.shown[min(j.delay, len(j.shown)-1)] - j.shown[0])
}

// add appends the packets of a part.
func (j *joiner) add(part string, held []content) error {
	in, err := openPart(part)
	if err != nil {
		return err
	}
	defer closePart(in)
	streams := in.Streams()
	for {
		j.packet.Unref()
		if err := in.ReadFrame(j.packet); errors.Is(err, astiav.ErrEof) {
			return nil
		} else if err != nil {
			return system(err)
		}
		i := j.packet.StreamIndex()
		from := streams[i]
		if held[i].packets--; held[i].packets == 0 {
			j.packet.SetDuration(max(0, held[i].end-j.packet.Dts()))
		}
		if from.CodecParameters().MediaType() == astiav.MediaTypeVideo {
			if at, _ := slices.BinarySearch(j.shown, j.packet.Pts()); at+1 < len(j.shown) {
				j.packet.SetDuration(j.shown[at+1] - j.shown[at])
			}
			j.packet.SetDts(j.decoded(j.sent))
			j.sent++
		}
		to := j.tracks[from.CodecParameters().MediaType()]
		j.packet.SetStreamIndex(to.Index())
		j.packet.RescaleTs(from.TimeBase(), to.TimeBase())
		j.packet.SetPos(-1)
		if dts := j.packet.Dts(); dts != astiav.NoPtsValue {
			if dts <= to.last { // audio of a damaged file
				j.packet.SetDts(to.last + 1)
			}
			to.last = j.packet.Dts()
		}
		if err := j.out.WriteInterleavedFrame(j.packet); err != nil {
			return system(err)
		}
	}
}

func openPart(path string) (*astiav.FormatContext, error) {
	in := astiav.AllocFormatContext()
	if err := in.OpenInput("file:"+path, nil, nil); err != nil {
		return nil, system(err)
	}
	if err := in.FindStreamInfo(nil); err != nil {
		closePart(in)
		return nil, system(err)
	}
	return in, nil
}

func closePart(in *astiav.FormatContext) {
	in.CloseInput()
	in.Free()
}

func (j *joiner) free() {
	if j.out != nil {
		closeOutput(j.out)
		j.out.Free()
	}
	j.packet.Free()
}
