//go:build !nomedia

package media

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
)

// A whole file ends well in every container, and one that is cut ends early with real frames alone.
func TestOnlyACutFileIsSaidToBeCut(t *testing.T) {
	y := y4m(32, 32, "", make([][3]byte, 30)...)
	for name, keep := range map[string]float64{"plain.mp4": 0.6, "plain.mkv": 0.6, "offset.mkv": 0.6, "mjpeg.avi": 0.6, "h264.avi": 0.8, "flat.y4m": 0.6} {
		t.Run(name, func(t *testing.T) {
			data, want := y, 30
			if name != "flat.y4m" {
				data = fixture(t, name)
			}
			r := openWith(t, temp(t, name, data), 1)
			all, err := readAll(t, r)
			if err != io.EOF || len(all) != want || r.Corrupt() != (Corrupt{}) {
				t.Fatalf("whole: %d frames, then %v; %+v", len(all), err, r.Corrupt())
			}
			r = openWith(t, temp(t, name, data[:int(float64(len(data))*keep)]), 1)
			some, err := readAll(t, r)
			if graph.KindOf(err) != graph.Incomplete || len(some) == 0 || len(some) >= want || r.Corrupt() != (Corrupt{}) {
				t.Errorf("cut: %d frames, then %v; %+v", len(some), err, r.Corrupt())
			}
			real(t, some, all)
		})
	}
}

// real sees that frames show what the frames of the whole video show at these times.
func real(t *testing.T, some, all []*Frame) {
	t.Helper()
	at := map[int64]*Frame{}
	for _, f := range all {
		at[f.PTS] = f
	}
	for i, f := range some {
		if whole := at[f.PTS]; whole == nil || !bytes.Equal(f.RGB, whole.RGB) {
			t.Errorf("frame %d of %d is made up", i, len(some))
		}
	}
}

// A transport stream and a raw stream promise nothing. They are cut when they end in the middle of
// a picture, which is left out where the decoder sees it. In the transport stream each picture is
// one packet, which is there or not.
func TestAStreamIsCutOnlyInTheMiddleOfAPicture(t *testing.T) {
	for name, step := range map[string]int{"plain.ts": 188, "raw.h264": 7} {
		data := fixture(t, name)
		all, _ := readAll(t, open(t, temp(t, name, data)))
		ends := map[error]int{}
		for end := len(data) * 3 / 4 / step * step; end < len(data); end += step {
			r := openWith(t, temp(t, name, data[:end]), 1)
			some, err := readAll(t, r)
			for i, f := range some {
				if err == io.EOF && name == "raw.h264" {
					break // the decoder may not have seen it
				}
				if !slices.ContainsFunc(all, func(a *Frame) bool { return bytes.Equal(a.RGB, f.RGB) }) {
					t.Errorf("%s: %d bytes: frame %d of %d is made up", name, end, i, len(some))
				}
			}
			if graph.KindOf(err) == graph.Incomplete {
				err = cutShort
			}
			ends[err]++
		}
		if ends[io.EOF] == 0 || (ends[cutShort] > 0) != (name == "raw.h264") || len(ends) > 2 {
			t.Errorf("%s: it ended with %v", name, ends)
		}
	}
}

func TestTheLengthOfAnAVIIsThatOfItsHeader(t *testing.T) {
	data := fixture(t, "mjpeg.avi")
	_, err := readAll(t, open(t, temp(t, "cut.avi", data[:len(data)*6/10])))
	if err == nil || !bytes.HasSuffix([]byte(err.Error()), []byte("of about 30): the file is cut short")) {
		t.Error(err)
	}
}

func TestSizesThatContainersSay(t *testing.T) {
	header := "\x1a\x45\xdf\xa3\x84abcd"
	for name, c := range map[string]struct {
		format, data string
		want         size
	}{
		"a segment that is there":      {"matroska,webm", header + "\x18\x53\x80\x67\x88" + "12345678", held},
		"a segment that is cut":        {"matroska,webm", header + "\x18\x53\x80\x67\x89" + "12345678", broken},
		"a segment of eight-byte size": {"matroska,webm", header + "\x18\x53\x80\x67\x01\x00\x00\x00\x00\x00\x00\x09" + "12345678", broken},
		"a segment of unknown size":    {"matroska,webm", header + "\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" + "12345678", unsaid},
		"an AVI that is there":         {"avi", "RIFF\x08\x00\x00\x00AVI 1234", held},
		"an AVI of two parts":          {"avi", "RIFF\x08\x00\x00\x00AVI 1234RIFF\x08\x00\x00\x00AVIX1234", held},
		"an AVI whose second is cut":   {"avi", "RIFF\x08\x00\x00\x00AVI 1234RIFF\x99\x00\x00\x00AVIX1234", broken},
		"an AVI that was never closed": {"avi", "RIFF\x00\x00\x00\x00AVI 12345678", unsaid},
		"a GIF with its end":           {"gif", "GIF89a1234\x3b\x00\x00", held},
		"a GIF without":                {"gif", "GIF89a1234", broken},
		"an Ogg with half of its page": {"ogg", "OggS\x00" + fmt.Sprintf("%21s", "") + "\x01\x09" + "12345", broken},
		"an Ogg that ends with a page": {"ogg", "OggS\x00" + fmt.Sprintf("%21s", "") + "\x01\x05" + "12345", unsaid},
		"a transport stream":           {"mpegts", "G123456789", unsaid},
	} {
		if got := sized(temp(t, "file", []byte(c.data)), c.format, int64(len(c.data))); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
