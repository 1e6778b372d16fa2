//go:build !nomedia

package media

import (
	"errors"
	"fmt"

	"github.com/asticode/go-astiav"
)

// Join writes the mp4 files of successive Writers with equal options as one, without decoding anything: packet after
// packet, at the times they have.
func Join(parts []string, path string) (err error) {
	installLog()
	j := &joiner{packet: astiav.AllocPacket()}
	defer j.free()
	for i, part := range parts {
		if err := j.add(part, "file:"+path, i == 0); err != nil {
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
	last   []int64 // dts of each stream's last packet
}

// add appends a part. The first one says what the streams are.
func (j *joiner) add(part, url string, first bool) error {
	in := astiav.AllocFormatContext()
	if err := in.OpenInput("file:"+part, nil, nil); err != nil {
		return system(err)
	}
	defer func() {
		in.CloseInput()
		in.Free()
	}()
	if err := in.FindStreamInfo(nil); err != nil {
		return system(err)
	}
	if first {
		if err := j.begin(in, url); err != nil {
			return err
		}
	}
	if len(in.Streams()) > len(j.last) {
		return errors.New("it has more streams than the first part")
	}
	for {
		j.packet.Unref()
		if err := in.ReadFrame(j.packet); errors.Is(err, astiav.ErrEof) {
			return nil
		} else if err != nil {
			return system(err)
		}
		i := j.packet.StreamIndex()
		j.packet.RescaleTs(in.Streams()[i].TimeBase(), j.out.Streams()[i].TimeBase())
		j.packet.SetPos(-1)
		if dts := j.packet.Dts(); dts != astiav.NoPtsValue {
			if dts <= j.last[i] { // the encoder began anew and looks back a little further
				j.packet.SetDts(j.last[i] + 1)
			}
			j.last[i] = j.packet.Dts()
		}
		if err := j.out.WriteInterleavedFrame(j.packet); err != nil {
			return system(err)
		}
	}
}

func (j *joiner) begin(in *astiav.FormatContext, url string) (err error) {
	if j.out, err = astiav.AllocOutputFormatContext(nil, "mp4", url); err != nil {
		return fmt.Errorf("mp4: %w", err)
	}
	for _, s := range in.Streams() {
		out := j.out.NewStream(nil)
		if err := s.CodecParameters().Copy(out.CodecParameters()); err != nil {
			return err
		}
		out.CodecParameters().SetCodecTag(0)
		out.SetTimeBase(s.TimeBase())
		out.SetAvgFrameRate(s.AvgFrameRate())
		out.SetSampleAspectRatio(s.SampleAspectRatio())
		j.last = append(j.last, -1<<62)
	}
	if err := openOutput(j.out, url); err != nil {
		return system(err)
	}
	options := astiav.NewDictionary()
	defer options.Free()
	options.Set("movflags", "+faststart", 0)
	return system(j.out.WriteHeader(options))
}

func (j *joiner) free() {
	if j.out != nil {
		closeOutput(j.out)
		j.out.Free()
	}
	j.packet.Free()
}
