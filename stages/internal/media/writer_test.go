//go:build !nomedia

package media

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/asticode/go-astiav"
	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// copyClip decodes a clip and encodes it again.
func copyClip(t *testing.T, from, to string) (source *Reader, frames []*Frame) {
	t.Helper()
	source = open(t, from)
	s := source.Stream()
	track, _ := s.Audio.(*Track)
	frames, err := readAll(t, source)
	if err != io.EOF {
		t.Fatal(err)
	}
	w, err := NewWriter(to, WriterOptions{
		Width: s.Width, Height: s.Height, TimeBase: s.TimeBase, Rate: s.Rate, Picture: s.Picture.(Picture),
		Audio: track, CRF: 10, Preset: "ultrafast", Threads: 1, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		if err := w.Write(f.RGB, f.PTS, f.Duration, f.Audio); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return source, frames
}

func TestCopyHasTheSameFramesTimesSizeAndColours(t *testing.T) {
	for _, name := range []string{"plain.mp4", "plain.mkv", "turned90.mp4", "variable.mp4", "odd.mp4", "tenbit.mkv", "raw.h264", "flac.mkv"} {
		t.Run(name, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "copy.mp4")
			source, want := copyClip(t, "testdata/"+name, to)
			r := open(t, to)
			s, from := r.Stream(), source.Stream()
			if s.Width != (from.Width+1)&^1 || s.Height != (from.Height+1)&^1 || s.Frames != len(want) {
				t.Errorf("stream %+v", *s)
			}
			got, err := readAll(t, r)
			if err != io.EOF || len(got) != len(want) {
				t.Fatalf("%d frames, then %v; want %d", len(got), err, len(want))
			}
			origin := from.Picture.(Picture).Origin
			for i := range want {
				a, b := float64(want[i].PTS-origin)*from.TimeBase.Float(), float64(got[i].PTS)*s.TimeBase.Float()
				d, e := float64(want[i].Duration)*from.TimeBase.Float(), float64(got[i].Duration)*s.TimeBase.Float()
				if a-b > 1e-4 || b-a > 1e-4 || d-e > 1e-4 || e-d > 1e-4 {
					t.Errorf("frame %d at %.4f s for %.4f s, want %.4f s for %.4f s", i, b, e, a, d)
				}
				for _, at := range [][2]float64{{.42, .2}, {.8, .2}, {.42, .8}, {.8, .8}} {
					if a, b := pixel(source, want[i], at[0], at[1]), pixel(r, got[i], at[0], at[1]); !near(a, b, 16) {
						t.Errorf("frame %d at %v is %v, want %v", i, at, b, a)
					}
				}
			}
			sounds := func(frames []*Frame) (n int, bytes int) {
				for _, f := range frames {
					for _, a := range f.Audio {
						n, bytes = n+1, bytes+len(a.(*Packet).Data)
					}
				}
				return n, bytes
			}
			wn, wb := sounds(want)
			if gn, gb := sounds(got); gn != wn || gb != wb || (wn > 0) != (from.Audio != nil) {
				t.Errorf("%d packets of audio (%d bytes), want %d (%d)", gn, gb, wn, wb)
			}
		})
	}
}

func TestIndexStandsBeforeTheData(t *testing.T) {
	to := filepath.Join(t.TempDir(), "copy.mp4")
	copyClip(t, "testdata/plain.mp4", to)
	b, _ := os.ReadFile(to)
	if moov, mdat := bytes.Index(b, []byte("moov")), bytes.Index(b, []byte("mdat")); moov < 0 || moov > mdat {
		t.Errorf("moov at %d, mdat at %d", moov, mdat)
	}
}

func TestAudioThatAnMp4CannotHoldIsLeftOutWithAWarning(t *testing.T) {
	var log bytes.Buffer
	track := open(t, "testdata/plain.mp4").Stream().Audio.(*Track)
	const wmav1 = 86023
	track.params.SetCodecID(wmav1)
	track.Codec = "wmav1"
	to := filepath.Join(t.TempDir(), "mute.mp4")
	w, err := NewWriter(to, WriterOptions{Width: 16, Height: 16, TimeBase: token.Ratio{Num: 1, Den: 25}, Audio: track, CRF: 20, Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := w.Write(make([]uint8, 16*16*3), int64(i), 1, []any{&Packet{Data: []byte{1}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if r := open(t, to); r.Stream().Audio != nil || !bytes.Contains(log.Bytes(), []byte("an mp4 cannot hold wmav1")) {
		t.Errorf("audio %v, log %s", r.Stream().Audio, log.String())
	}
}

// AAC in ADTS whose header is garbage: only a packet shows that.
func TestAudioWhosePacketsAnMp4RefusesIsLeftOutWithAWarning(t *testing.T) {
	l, said := log()
	const aac = 86018
	track := &Track{Codec: "aac", TimeBase: token.Ratio{Num: 1, Den: 16000}, params: astiav.AllocCodecParameters()}
	track.params.SetCodecID(aac)
	track.params.SetMediaType(astiav.MediaTypeAudio)
	track.params.SetSampleRate(16000)
	track.params.SetChannelLayout(astiav.ChannelLayoutMono)
	to := filepath.Join(t.TempDir(), "mute.mp4")
	w, err := NewWriter(to, WriterOptions{Width: 16, Height: 16, TimeBase: token.Ratio{Num: 1, Den: 25}, Audio: track, CRF: 20, Log: l})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		packet := &Packet{Data: []byte("\xff\xf1\xff\xff\xff\xff\xff\xff\xff"), PTS: int64(i) * 640, DTS: int64(i) * 640}
		if err := w.Write(NewRGB(16, 48), int64(i), 1, []any{packet}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if r := open(t, to); r.Stream().Audio != nil || r.Stream().Frames != 3 || strings.Count(said.String(), "the audio is left out: an mp4 cannot hold aac") != 1 {
		t.Errorf("%d frames, audio %v, said %s", r.Stream().Frames, r.Stream().Audio, said)
	}
}

func TestFullDiskIsSaidToBeFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	w, err := NewWriter("/dev/full", WriterOptions{Width: 64, Height: 64, TimeBase: token.Ratio{Num: 1, Den: 25}, CRF: 0, Preset: "ultrafast", Log: zerolog.Nop()})
	if err == nil {
		rgb := make([]uint8, 64*64*3)
		for i := range 200 {
			for j := range rgb {
				rgb[j] = uint8(i*j*j>>3 ^ j)
			}
			if err = w.Write(rgb, int64(i), 1, nil); err != nil {
				break
			}
		}
		if closeErr := w.Close(); err == nil {
			err = closeErr
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v, want ENOSPC", err)
	}
}
