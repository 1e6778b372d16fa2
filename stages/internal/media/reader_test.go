//go:build !nomedia

package media

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

func open(t *testing.T, path string) *Reader { return openWith(t, path, 2) }

func openWith(t *testing.T, path string, threads int) *Reader {
	t.Helper()
	r, err := Open(path, ReadOptions{Threads: threads, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// readAll returns every frame and what Next ended with.
func readAll(t *testing.T, r *Reader) ([]*Frame, error) {
	t.Helper()
	var frames []*Frame
	for {
		f, err := r.Next()
		if err != nil {
			return frames, err
		}
		if f.Index != len(frames) || len(f.RGB) != r.Stream().Width*r.Stream().Height*3 {
			t.Fatalf("frame %d: index %d, %d bytes", len(frames), f.Index, len(f.RGB))
		}
		if n := len(frames); n > 0 && f.PTS <= frames[n-1].PTS {
			t.Fatalf("frame %d: pts %d after %d", n, f.PTS, frames[n-1].PTS)
		}
		frames = append(frames, f)
	}
}

// temp writes a file into a fresh folder.
func temp(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pixel returns the colour at fractions of the picture.
func pixel(r *Reader, f *Frame, x, y float64) [3]uint8 {
	w, h := r.Stream().Width, r.Stream().Height
	return [3]uint8(f.RGB[(int(y*float64(h))*w+int(x*float64(w)))*3:])
}

func near(a, b [3]uint8, tolerance float64) bool {
	for i := range a {
		if math.Abs(float64(a[i])-float64(b[i])) > tolerance {
			return false
		}
	}
	return true
}

var red, green, blue, white = [3]uint8{255, 0, 0}, [3]uint8{0, 255, 0}, [3]uint8{0, 0, 255}, [3]uint8{255, 255, 255}

func TestClipsAreReadWhole(t *testing.T) {
	for _, c := range []struct {
		file          string
		width, height int
		frames        int
		known         int // Stream.Frames
		rate          float64
		audio         string
		corners       [4][3]uint8 // top left, top right, bottom left, bottom right
	}{
		{"plain.mp4", 96, 64, 30, 30, 25, "aac", [4][3]uint8{red, green, blue, white}},
		{"plain.mkv", 96, 64, 30, 0, 25, "aac", [4][3]uint8{red, green, blue, white}},
		{"turned90.mp4", 64, 96, 7, 7, 25, "", [4][3]uint8{blue, red, white, green}},
		{"turned180.mp4", 96, 64, 7, 7, 25, "", [4][3]uint8{white, blue, green, red}},
		{"turned270.mp4", 64, 96, 7, 7, 25, "", [4][3]uint8{green, white, red, blue}},
		{"variable.mp4", 96, 64, 10, 10, 250. / 29, "", [4][3]uint8{red, green, blue, white}},
		{"odd.mp4", 97, 63, 10, 10, 25, "", [4][3]uint8{red, green, blue, white}},
		{"tenbit.mkv", 96, 64, 10, 0, 25, "", [4][3]uint8{red, green, blue, white}},
		{"raw.h264", 96, 64, 10, 0, 25, "", [4][3]uint8{red, green, blue, white}},
		{"cropped.h264", 64, 56, 10, 0, 25, "", [4][3]uint8{red, green, blue, white}},
		{"cropped.hevc", 64, 56, 10, 0, 25, "", [4][3]uint8{red, green, blue, white}},
		{"aspect.mp4", 64, 56, 10, 10, 25, "", [4][3]uint8{red, green, blue, white}},
		{"aspect90.mp4", 56, 64, 10, 10, 25, "", [4][3]uint8{blue, red, white, green}},
	} {
		t.Run(c.file, func(t *testing.T) {
			r := open(t, "testdata/"+c.file)
			s := r.Stream()
			if s.Width != c.width || s.Height != c.height || s.Frames != c.known || math.Abs(s.Rate.Float()-c.rate) > 1e-6 {
				t.Errorf("stream %+v", *s)
			}
			if track, ok := s.Audio.(*Track); ok != (c.audio != "") || ok && track.Codec != c.audio {
				t.Errorf("audio %+v, want %q", s.Audio, c.audio)
			}
			frames, err := readAll(t, r)
			if err != io.EOF || len(frames) != c.frames {
				t.Fatalf("%d frames, then %v; want %d", len(frames), err, c.frames)
			}
			f, tolerance := frames[len(frames)-1], 12.0
			if c.file == "odd.mp4" {
				tolerance = 60 // it is tagged with no matrix, but made with BT.709: what is red remains reddish
			}
			for i, want := range c.corners {
				x, y := 0.2+0.6*float64(i%2), 0.2+0.6*float64(i/2)
				if got := pixel(r, f, x, y); !near(got, want, tolerance) {
					t.Errorf("corner %d is %v, want %v", i, got, want)
				}
			}
			if r.Corrupt() != (Corrupt{}) {
				t.Errorf("corrupt %+v in a sound clip", r.Corrupt())
			}
		})
	}
}

func TestTimesAreKept(t *testing.T) {
	r := open(t, "testdata/variable.mp4")
	frames, _ := readAll(t, r)
	var got []int64
	for _, f := range frames {
		got = append(got, f.PTS*25/12800)
	}
	if want := "[0 5 7 10 14 15 20 21 25 28]"; fmt.Sprint(got) != want || r.Stream().TimeBase != (token.Ratio{Num: 1, Den: 12800}) {
		t.Errorf("frames at %v in %v, want %s", got, r.Stream().TimeBase, want)
	}
	for i, f := range frames[:9] {
		if f.PTS+f.Duration != frames[i+1].PTS {
			t.Errorf("frame %d lasts %d from %d, the next begins at %d", i, f.Duration, f.PTS, frames[i+1].PTS)
		}
	}
	if frames[9].Duration <= 0 {
		t.Error("the last frame has no duration")
	}
}

func TestMissingTimesAreMadeUp(t *testing.T) {
	r := open(t, "testdata/raw.h264")
	frames, _ := readAll(t, r)
	tb := r.Stream().TimeBase.Float()
	for i, f := range frames {
		if at := float64(f.PTS-frames[0].PTS) * tb; math.Abs(at-float64(i)/25) > 1e-4 || math.Abs(float64(f.Duration)*tb-0.04) > 1e-4 {
			t.Errorf("frame %d at %.4f s for %.4f s", i, at, float64(f.Duration)*tb)
		}
	}
}

func TestAudioGoesWithTheFrames(t *testing.T) {
	r := open(t, "testdata/plain.mp4")
	frames, _ := readAll(t, r)
	track := r.Stream().Audio.(*Track)
	n, last := 0, int64(math.MinInt64)
	for i, f := range frames {
		for _, a := range f.Audio {
			p := a.(*Packet)
			if p.PTS <= last || len(p.Data) == 0 {
				t.Errorf("packet at %d after %d, %d bytes", p.PTS, last, len(p.Data))
			}
			at, end := float64(p.PTS)*track.TimeBase.Float(), float64(f.PTS+f.Duration)*r.Stream().TimeBase.Float()
			if i < len(frames)-1 && at >= end {
				t.Errorf("frame %d ends at %.3f and has audio of %.3f", i, end, at)
			}
			n, last = n+1, p.PTS
		}
	}
	if want := 20; n < want-1 || n > want+1 { // 1.2 s at 16 kHz in packets of 1024, and the encoder's priming
		t.Errorf("%d packets of audio, want about %d", n, want)
	}
}

// y4m makes an uncompressed clip of flat frames, 4:2:0, untagged.
func y4m(w, h int, header string, colours ...[3]byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "YUV4MPEG2 W%d H%d F25:1 Ip A1:1 C420jpeg%s\n", w, h, header)
	for _, c := range colours {
		b.WriteString("FRAME\n")
		b.Write(bytes.Repeat(c[:1], w*h))
		b.Write(bytes.Repeat(c[1:2], (w+1)/2*((h+1)/2)))
		b.Write(bytes.Repeat(c[2:3], (w+1)/2*((h+1)/2)))
	}
	return b.Bytes()
}

func TestUntaggedColourIsBT601AndRangeIsHonoured(t *testing.T) {
	// R = Y' + 1.402 Cr', B = Y' + 1.772 Cb', G by Kr = 0.299, Kb = 0.114; limited range: Y' =
	// (Y-16)*255/219, C' = (C-128)*255/224.
	for _, c := range []struct {
		header string
		yuv    [3]byte
		want   [3]uint8
	}{
		{"", [3]byte{81, 90, 240}, [3]uint8{254, 0, 0}},
		{"", [3]byte{126, 128, 128}, [3]uint8{128, 128, 128}},
		{" XCOLORRANGE=FULL", [3]byte{126, 128, 128}, [3]uint8{126, 126, 126}},
		{" XCOLORRANGE=FULL", [3]byte{76, 85, 255}, [3]uint8{254, 0, 0}},
	} {
		for _, size := range [][2]int{{16, 16}, {15, 13}, {1, 1}} {
			r := open(t, temp(t, "flat.y4m", y4m(size[0], size[1], c.header, c.yuv)))
			frames, err := readAll(t, r)
			if err != io.EOF || len(frames) != 1 {
				t.Fatal(len(frames), err)
			}
			for i := 0; i < len(frames[0].RGB); i += 3 {
				if got := [3]uint8(frames[0].RGB[i:]); !near(got, c.want, 1) {
					t.Fatalf("%v%s at %v is %v, want %v", c.yuv, c.header, size, got, c.want)
				}
			}
		}
	}
}

func TestConversionStaysWithinItsBuffer(t *testing.T) {
	r := open(t, temp(t, "odd.y4m", y4m(31, 5, "", [3]byte{200, 128, 128})))
	f, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range unsafe.Slice(unsafe.SliceData(f.RGB), len(f.RGB)+slack)[len(f.RGB):] {
		if b != 0 {
			t.Logf("byte %d after the picture was written", i)
			if i >= slack/2 {
				t.Fatal("the slack is nearly used up")
			}
		}
	}
}

func TestBadFilesGiveOneClearError(t *testing.T) {
	plain := fixture(t, "plain.mp4")
	wav := append([]byte("RIFF\x24\x10\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x00\x10\x00\x00"), make([]byte, 4096)...)
	moovless := append(bytes.Clone(plain[:32]), plain[bytes.Index(plain, []byte("mdat"))-4:]...)
	for name, c := range map[string]struct {
		path, want string
	}{
		"missing":  {filepath.Join(t.TempDir(), "no.mp4"), "no.mp4: no such file"},
		"empty":    {temp(t, "empty.mp4", nil), "empty.mp4: is empty"},
		"folder":   {t.TempDir(), ": is a folder; the images stage reads folders of pictures"},
		"text":     {temp(t, "text.mp4", []byte("this is not a video\n")), "text.mp4: cannot be read as a video: "},
		"moovless": {temp(t, "moovless.mp4", moovless), "moovless.mp4: cannot be read as a video: moov atom not found"},
		"sound":    {temp(t, "sound.wav", wav), "sound.wav: has no video stream"},
		"headless": {temp(t, "head.mp4", plain[:bytes.Index(plain, []byte("mdat"))+4]), "head.mp4: no frame can be decoded: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(c.path, ReadOptions{Log: zerolog.Nop()})
			if err == nil || graph.KindOf(err) != graph.BadData || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want BadData with %q", err, c.want)
			}
		})
	}
}

func TestCutFileGivesItsFramesAndThenIncomplete(t *testing.T) {
	for _, c := range []struct {
		file string
		keep float64
		of   string
	}{{"plain.mp4", 0.75, "of 30)"}, {"plain.mkv", 0.6, "of about 32)"}} {
		t.Run(c.file, func(t *testing.T) {
			whole := fixture(t, c.file)
			r := open(t, temp(t, c.file, whole[:int(c.keep*float64(len(whole)))]))
			frames, err := readAll(t, r)
			if len(frames) < 5 || len(frames) > 28 {
				t.Errorf("%d frames", len(frames))
			}
			want := fmt.Sprintf("%s: ends early after frame %d (%d %s: the file is cut short", c.file, len(frames)-1, len(frames), c.of)
			if graph.KindOf(err) != graph.Incomplete || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("error %v, want Incomplete with %q", err, want)
			}
			if known := r.Stream().Frames; known != 0 && known != len(frames) {
				t.Errorf("the stream promises %d frames, %d came", known, len(frames))
			}
			if _, again := r.Next(); again != err {
				t.Errorf("then %v", again)
			}
		})
	}
}

func TestCutPipeIsIncompleteToo(t *testing.T) {
	whole := fixture(t, "plain.mp4")
	for _, keep := range []float64{1, 0.75} {
		fifo := filepath.Join(t.TempDir(), "pipe.mp4")
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			t.Skip("no named pipes here:", err)
		}
		if Rereadable(fifo) || Rereadable("-") || !Rereadable("testdata/plain.mp4") {
			t.Error("Rereadable mistakes pipes and files")
		}
		go os.WriteFile(fifo, whole[:int(keep*float64(len(whole)))], 0o600)
		frames, err := readAll(t, open(t, fifo))
		if keep == 1 && (len(frames) != 30 || err != io.EOF) || keep < 1 && (len(frames) > 28 || graph.KindOf(err) != graph.Incomplete) {
			t.Errorf("%g of it: %d frames, then %v", keep, len(frames), err)
		}
	}
}

func TestCorruptMiddleIsCountedAndPassed(t *testing.T) {
	data := fixture(t, "plain.mp4")
	start := bytes.Index(data, []byte("mdat")) + 4
	for i := start + 700; i < start+1500; i++ {
		data[i] ^= byte(37 * i)
	}
	r := openWith(t, temp(t, "corrupt.mp4", data), 1) // with more, a frame may leave before its damage is known
	frames, err := readAll(t, r)
	c := r.Corrupt()
	if err != io.EOF || len(frames)+c.Skipped != 30 {
		t.Errorf("%d frames, then %v; %+v", len(frames), err, c)
	}
	if c.Shown == 0 || c.Skipped == 0 || c.Frame != 0 || c.Near != 0 { // the damage begins in the first picture
		t.Errorf("corrupt %+v", c)
	}
}

func TestSizeChangeIsAnErrorThatNamesTheFrame(t *testing.T) {
	r := open(t, "testdata/resize.h264")
	frames, err := readAll(t, r)
	want := "testdata/resize.h264: frame 10: the size changes from 96x64 to 128x80"
	if len(frames) != 10 || graph.KindOf(err) != graph.Incomplete || err.Error() != want {
		t.Errorf("%d frames, then %v; want %s", len(frames), err, want)
	}
}

func TestInterruptEndsABlockedRead(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "pipe.y4m")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip("no named pipes here:", err)
	}
	go func() {
		w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err != nil {
			return
		}
		defer w.Close()
		w.Write(y4m(16, 16, "", make([][3]byte, 100)...))
		<-t.Context().Done()
	}()
	r := open(t, fifo)
	for n := 0; ; n++ {
		if n == 5 {
			r.Interrupt()
		}
		if _, err := r.Next(); errors.Is(err, ErrInterrupted) {
			break
		} else if err != nil || n > 200 {
			t.Fatal(n, err)
		}
	}
}

// A read that is interrupted in the middle of a packet gives half of it, which is not damage.
func TestAnInterruptDamagesNothing(t *testing.T) {
	clip := y4m(64, 48, "", make([][3]byte, 60)...)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(clip); i++ {
		if clip[i] == 0 {
			clip[i] = byte(r.Uint32())
		}
	}
	from, to := filepath.Join(t.TempDir(), "noise.y4m"), filepath.Join(t.TempDir(), "noise.mp4")
	if err := os.WriteFile(from, clip, 0o600); err != nil {
		t.Fatal(err)
	}
	copyClip(t, from, to)
	for n := range 56 {
		r := openWith(t, to, 1)
		var err error
		for i := 0; err == nil; i++ {
			if i == n {
				r.Interrupt()
			}
			_, err = r.Next()
		}
		if c := r.Corrupt(); c.Shown+c.Skipped > 0 || !errors.Is(err, ErrInterrupted) && err != io.EOF {
			t.Errorf("interrupted after %d frames: %v, %+v", n, err, c)
		}
	}
}

func TestRealClip(t *testing.T) {
	dir := os.Getenv("TACHI_CLIPS")
	if dir == "" {
		t.Skip("reads a clip outside the repository: set TACHI_CLIPS to the folder of 02_cups.mp4, a video of 1280x720 and 300 frames")
	}
	path := filepath.Join(dir, "02_cups.mp4")
	r := open(t, path)
	if s := r.Stream(); s.Width != 1280 || s.Height != 720 || s.Frames != 300 || s.Rate != (token.Ratio{Num: 30000, Den: 1001}) {
		t.Errorf("stream %+v", *s)
	}
	n := 0
	for f, err := r.Next(); err == nil; f, err = r.Next() {
		if f.PTS != int64(n)*1001 || f.Duration != 1001 {
			t.Fatalf("frame %d at %d for %d", n, f.PTS, f.Duration)
		}
		if n++; n == 60 {
			break // enough to see the times
		}
	}
}
