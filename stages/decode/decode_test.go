//go:build !nomedia

package decode

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/media"
	"github.com/seed49bbd0e6/tachi/stages/internal/prompt"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

const clips = "../internal/media/testdata/"

// deliver runs the stage to its end, or until max frames.
func deliver(t *testing.T, o Options, max int) ([]*token.Frame, string, error) {
	t.Helper()
	var log bytes.Buffer
	node, err := Stage.Open(&graph.Env{Stage: "decode", Log: zerolog.New(&log).Level(zerolog.WarnLevel)}, &o)
	if err != nil {
		return nil, log.String(), err
	}
	defer func() {
		if err := node.Close(nil); err != nil {
			t.Error(err)
		}
	}()
	var frames []*token.Frame
	err = node.Run(t.Context(), func(out any) error {
		if len(frames) == max {
			return graph.ErrDrained
		}
		frames = append(frames, out.(*Out).Frame)
		return nil
	})
	return frames, log.String(), err
}

func TestFramesCarryTheirHeader(t *testing.T) {
	o := Options{Path: clips + "plain.mp4", Options: prompt.Options{Box: []float64{-10, 5, 40, 30}}}
	frames, log, err := deliver(t, o, -1)
	if err != nil || len(frames) != 30 {
		t.Fatal(len(frames), err)
	}
	for i, f := range frames {
		if f.Index != i || f.PTS != int64(i)*512 || f.Duration != 512 || f.Stream != frames[0].Stream {
			t.Errorf("frame %d: %+v", i, *f.Header)
		}
		if len(f.Objects) != 1 || len(f.Prompts) != map[bool]int{true: 1}[i == 0] {
			t.Errorf("frame %d: objects %v, prompts %v", i, f.Objects, f.Prompts)
		}
	}
	if s := frames[0].Stream; s.Frames != 30 || s.Width != 96 || s.Height != 64 || s.Audio == nil || s.ID != clips+"plain.mp4" {
		t.Errorf("stream %+v", *s)
	}
	if !strings.Contains(log, "clipped to 0,5,30,30") {
		t.Errorf("log %q", log)
	}
}

func TestStartAndFramesSelectAPart(t *testing.T) {
	frames, _, err := deliver(t, Options{Path: clips + "plain.mp4", Start: 10, Frames: 5}, -1)
	if err != nil || len(frames) != 5 {
		t.Fatal(len(frames), err)
	}
	f := frames[0]
	if f.Index != 0 || f.PTS != 5120 || f.Stream.Frames != 5 || f.Stream.Picture.(media.Picture).Origin != 5120 {
		t.Errorf("%+v of %+v", *f.Header, *f.Stream)
	}
	last := frames[4]
	for _, a := range last.Audio {
		if at := float64(a.(*media.Packet).PTS) / 16000; at > float64(last.PTS+last.Duration)/12800 {
			t.Errorf("audio of %.3f s goes beyond the last frame", at)
		}
	}
	if _, _, err := deliver(t, Options{Path: clips + "plain.mp4", Start: 40}, -1); graph.KindOf(err) != graph.BadData ||
		!strings.Contains(err.Error(), "plain.mp4: start is 40, but there are 30 frames") {
		t.Error(err)
	}
}

func TestDrainEndsTheSource(t *testing.T) {
	frames, _, err := deliver(t, Options{Path: clips + "plain.mp4"}, 3)
	if !errors.Is(err, graph.ErrDrained) || len(frames) != 3 {
		t.Error(len(frames), err)
	}
}

func TestCutInputIsIncompleteAfterItsFrames(t *testing.T) {
	b, err := os.ReadFile(clips + "plain.mp4")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.mp4")
	os.WriteFile(path, b[:len(b)*3/4], 0o666)
	frames, _, err := deliver(t, Options{Path: graph.Path(path)}, -1)
	if graph.KindOf(err) != graph.Incomplete || len(frames) < 5 || len(frames) > 28 {
		t.Error(len(frames), err)
	}
}

func TestDamageIsReportedOnce(t *testing.T) {
	b, err := os.ReadFile(clips + "plain.mp4")
	if err != nil {
		t.Fatal(err)
	}
	start := bytes.Index(b, []byte("mdat")) + 4
	for i := start + 700; i < start+1500; i++ {
		b[i] ^= byte(37 * i)
	}
	path := filepath.Join(t.TempDir(), "damaged.mp4")
	os.WriteFile(path, b, 0o666)
	_, log, err := deliver(t, Options{Path: graph.Path(path)}, -1)
	if err != nil || strings.Count(log, "\n") != 1 || !strings.Contains(log, "damaged.mp4: damaged: ") {
		t.Errorf("%v, log %q", err, log)
	}
}

func TestPromptsBeyondTheEndAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prompts.json")
	os.WriteFile(file, []byte(`{"prompts": [{"box": [1,1,9,9]}, {"frame": 50, "box": [1,1,9,9]}]}`), 0o666)
	for _, clip := range []graph.Path{"plain.mp4", "plain.mkv"} { // of known and of unknown length
		_, _, err := deliver(t, Options{Path: clips + clip, Options: prompt.Options{Prompts: graph.Path(file)}}, -1)
		if graph.KindOf(err) != graph.BadData || !strings.Contains(err.Error(), "a prompt names frame 50, but there are 30") {
			t.Error(clip, err)
		}
	}
}

func TestProbeSaysWhatWillCome(t *testing.T) {
	p, err := Stage.Probe(&graph.Env{Log: zerolog.Nop()}, &Options{Path: clips + "turned90.mp4", Start: 2, Options: prompt.Options{Box: []float64{1, 1, 9, 9}}})
	if want := (graph.Probe{Width: 64, Height: 96, Frames: 5, Rate: 25, Objects: 1, Prompts: graph.Prompts{Most: 1}}); err != nil || p != want {
		t.Errorf("%+v, %v; want %+v", p, err, want)
	}
	if p, err := Stage.Probe(&graph.Env{Log: zerolog.Nop()}, &Options{Path: "-"}); err != nil || p != (graph.Probe{}) {
		t.Errorf("standard input: %+v, %v", p, err)
	}
}

func TestCancelledContextEndsTheRun(t *testing.T) {
	node, err := Stage.Open(&graph.Env{Log: zerolog.Nop()}, &Options{Path: clips + "plain.mp4"})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close(nil)
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	n := 0
	err = node.Run(ctx, func(any) error {
		if n++; n == 2 {
			cancel(cause)
		}
		return context.Cause(ctx)
	})
	if !errors.Is(err, cause) {
		t.Error(err)
	}
}

func TestNegativeNumbersAreRefused(t *testing.T) {
	var complaint *graph.OptionError
	if err := (&Options{Start: -1}).Validate(); !errors.As(err, &complaint) || complaint.Key != "start" {
		t.Error(err)
	}
}

// Whoever asks for a GPU gets the same pictures, and is told where there is none.
func TestHwaccelGivesTheSamePictures(t *testing.T) {
	want, _, err := deliver(t, Options{Path: clips + "plain.mp4"}, -1)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cuda", "cuda:7"} {
		got, log, err := deliver(t, Options{Path: clips + "plain.mp4", Hwaccel: name}, -1)
		if err != nil || len(got) != len(want) {
			t.Fatal(name, len(got), err)
		}
		for i := range want {
			if !bytes.Equal(got[i].RGB, want[i].RGB) || got[i].PTS != want[i].PTS {
				t.Fatalf("%s: frame %d differs", name, i)
			}
		}
		if _, err := os.Stat("/dev/nvidia0"); err != nil && !strings.Contains(log, "hwaccel "+name+": decoded on the processor instead") {
			t.Errorf("%s: no warning in %q", name, log)
		}
	}
	for _, name := range []string{"vaapi", "cuda:", "cuda:x", "CUDA"} {
		var bad *graph.OptionError
		if err := (&Options{Path: "x", Hwaccel: name}).Validate(); !errors.As(err, &bad) || bad.Key != "hwaccel" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A prompt behind frames that gave no picture may be meant for another frame: there is a warning,
// once.
func TestAPromptBehindMissingFramesIsWarnedOf(t *testing.T) {
	b, err := os.ReadFile(clips + "plain.mp4")
	if err != nil {
		t.Fatal(err)
	}
	start := bytes.Index(b, []byte("mdat")) + 4
	for i := start; i < start+900; i++ { // the first key frame and more
		b[i] ^= 0x5a
	}
	path := filepath.Join(t.TempDir(), "headless.mp4")
	os.WriteFile(path, b, 0o666)
	for prompted, want := range map[bool]int{true: 1, false: 0} {
		o := Options{Path: graph.Path(path)}
		if prompted {
			o.Options = prompt.Options{Box: []float64{1, 1, 9, 9}}
		}
		frames, log, err := deliver(t, o, -1)
		if err != nil || len(frames) == 0 || len(frames) == 30 {
			t.Fatal(len(frames), err)
		}
		if n := strings.Count(log, "the prompt for frame 0 is put on what would be frame"); n != want {
			t.Errorf("%d warnings, want %d: %s", n, want, log)
		}
		if !strings.Contains(log, "of 30 gave no picture") {
			t.Error(log)
		}
	}
}
