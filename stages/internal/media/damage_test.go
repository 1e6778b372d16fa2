//go:build !nomedia

package media

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/asticode/go-astiav"
	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
)

// Whole packets that a transport stream lacks are noticed by the gap in its counters, and the
// frames by the gap in time.
func TestLostPacketsAreSaidAndCounted(t *testing.T) {
	data := fixture(t, "late.ts")
	for _, at := range []int{32, 36, 40} {
		r := openWith(t, temp(t, "lost.ts", slices.Delete(bytes.Clone(data), at*188, (at+13)*188)), 1)
		frames, err := readAll(t, r)
		c := r.Corrupt()
		if err != io.EOF || !c.Any() || len(frames)+c.Skipped != 30 {
			t.Errorf("at %d: %d frames, then %v; %+v", at, len(frames), err, c)
		}
		if c.Near <= 0 || c.Near > 1.2 || c.Frame <= 0 || c.Frame > len(frames) { // not the stream's own clock, which is at 50 minutes
			t.Errorf("at %d: %+v", at, c)
		}
	}
}

// firstSlice returns where the first slice of an mp4's first key frame begins, behind its length.
func firstSlice(data []byte) int {
	at := bytes.Index(data, []byte("mdat")) + 4
	for data[at+4]&31 != 5 {
		at += 4 + int(binary.BigEndian.Uint32(data[at:]))
	}
	return at + 4
}

// Frames without a picture have no number, and the first one that comes tells how many are missing
// before it.
func TestFramesThatGaveNoPictureAreCountedBeforeTheFirstThatCame(t *testing.T) {
	data := fixture(t, "plain.mp4")
	at := firstSlice(data)
	for i := at + 1; i < at+21; i++ {
		data[i] ^= 0x5a
	}
	r := openWith(t, temp(t, "headless.mp4", data), 1)
	frames, err := readAll(t, r)
	c := r.Corrupt()
	if err != io.EOF || len(frames) == 0 || len(frames) == 30 || len(frames)+c.Skipped != 30 {
		t.Fatalf("%d frames, then %v; %+v", len(frames), err, c)
	}
	if lost := frames[0].Lost; lost != c.Skipped || frames[0].PTS != int64(lost)*512 || c.Frame != 0 {
		t.Errorf("%d are missing before frame 0 at %d; %+v", lost, frames[0].PTS, c)
	}
}

// A decoder that shows what it has and only logs an error is heard as well.
func TestDamageThatADecoderOnlyLogsIsCounted(t *testing.T) {
	data := fixture(t, "mjpeg.avi")
	at := 0
	for range 12 {
		at += bytes.Index(data[at+4:], []byte("00dc")) + 4
	}
	for i := at + 450; i < at+500; i++ {
		data[i] = byte(i * 91)
	}
	r := openWith(t, temp(t, "hurt.avi", data), 1)
	frames, err := readAll(t, r)
	if c := r.Corrupt(); err != io.EOF || len(frames)+c.Skipped != 30 || c.Shown != 1 || c.Frame != 11 {
		t.Errorf("%d frames, then %v; %+v", len(frames), err, r.Corrupt())
	}
}

// A stream that is joined in the middle has packets before its first key frame. That is no damage.
func TestJoiningAStreamInTheMiddleIsNoDamage(t *testing.T) {
	data := fixture(t, "plain.ts")
	r := openWith(t, temp(t, "joined.ts", data[188*12:]), 1)
	frames, err := readAll(t, r)
	if c := r.Corrupt(); err != io.EOF || len(frames) != 20 || c.Any() || c.Joined == 0 {
		t.Errorf("%d frames, then %v; %+v", len(frames), err, c)
	}
}

func TestHiddenPicturesAreNotMissed(t *testing.T) {
	const vp8, vp9, h264 = astiav.CodecIDVp8, astiav.CodecIDVp9, astiav.CodecIDH264
	for _, c := range []struct {
		codec astiav.CodecID
		data  []byte
		want  bool
	}{
		{vp8, []byte{0x10}, false}, {vp8, []byte{0x00}, true}, {vp9, []byte{0x82, 0}, false}, {vp9, []byte{0x80, 0}, true}, {vp9, []byte{0x88, 0}, false},
		{vp9, []byte{0x80, 0xc1}, false}, {vp9, []byte{0xb1, 0}, false}, {vp9, []byte{0xb0, 0}, true}, {h264, []byte{0}, false}, {h264, nil, true},
	} {
		if got := hidden(c.codec, c.data); got != c.want {
			t.Errorf("codec %d, % x: %v", c.codec, c.data, got)
		}
	}
}

// indexBehind moves the index of an mp4 behind its pictures.
func indexBehind(t *testing.T, data []byte) []byte {
	t.Helper()
	at := bytes.Index(data, []byte("moov")) - 4
	n := int(binary.BigEndian.Uint32(data[at:]))
	moov := bytes.Clone(data[at:][:n])
	for i := 0; ; {
		next := bytes.Index(moov[i:], []byte("stco"))
		if next < 0 {
			break
		}
		i += next + 8
		for e := range int(binary.BigEndian.Uint32(moov[i:])) {
			offset := moov[i+4+4*e:]
			binary.BigEndian.PutUint32(offset, binary.BigEndian.Uint32(offset)-uint32(n))
		}
	}
	free := make([]byte, 1<<18) // more than FFmpeg keeps
	copy(free, "\x00\x04\x00\x00free")
	return slices.Concat(data[:at], data[at+n:], free, moov)
}

func TestAPipeIsToldWhatItsMp4Lacks(t *testing.T) {
	data := indexBehind(t, fixture(t, "plain.mp4"))
	if frames, err := readAll(t, open(t, temp(t, "behind.mp4", data))); err != io.EOF || len(frames) != 30 {
		t.Fatal("as a file:", len(frames), err)
	}
	fifo := filepath.Join(t.TempDir(), "pipe.mp4")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip("no named pipes here:", err)
	}
	go os.WriteFile(fifo, data, 0o600)
	refused(t, fifo, "its index stands at the end", "-movflags +faststart")
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	webp := []byte("RIFF\x46\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x0f\x00\x00\x0f\x00\x00" +
		"ANIM\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00ANMF\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0f\x00\x00\x0f\x00\x00\x64\x00\x00\x00VP8 \x08\x00\x00\x00\x30\x01\x00\x9d\x01\x2a\x10\x00")
	refused(t, temp(t, "moving.webp", webp), "an animated WebP")
	refused(t, temp(t, "raw.yuv", make([]byte, 1<<16)), "neither their size nor their format")
	refused(t, temp(t, "raw.nv12", make([]byte, 1<<16)), "neither their size nor their format")
}

func refused(t *testing.T, path string, want ...string) {
	t.Helper()
	r, err := Open(path, ReadOptions{Log: zerolog.Nop()})
	if err == nil {
		r.Close()
		t.Fatal(path, "opened")
	}
	for _, w := range want {
		if graph.KindOf(err) != graph.BadData || !strings.Contains(err.Error(), w) {
			t.Errorf("error %v, want %q", err, w)
		}
	}
}
