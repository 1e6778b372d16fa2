package synthetic

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/prompt"
)

// clip draws a whole clip: pictures and masks, frame after frame.
func clip(s *Scene) (rgb, masks [][]uint8) {
	n := s.Width * s.Height
	for t := range s.Frames {
		rgb, masks = append(rgb, make([]uint8, 3*n)), append(masks, make([]uint8, s.Things()*n))
		s.Draw(t, rgb[t], masks[t])
	}
	return rgb, masks
}

// TestClipsOfTheTableDoNotChange compares clips with the bytes that weights were trained on. It
// fails when any parameter, or any pixel, changes: then the weights must be trained again, and
// every result measured again.
func TestClipsOfTheTableDoNotChange(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("other compilers fuse multiplications with additions")
	}
	sum := sha256.New()
	for i := range Families {
		for _, frames := range []int{8, 60} {
			s := New(&Families[i], TestSeeds+uint64(frames), 96, 96, frames)
			for at := 0; at < frames; at += 7 {
				rgb, masks := make([]uint8, 3*96*96), make([]uint8, s.Things()*96*96)
				s.Draw(at, rgb, masks)
				sum.Write(rgb)
				sum.Write(masks)
			}
		}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != frozen {
		t.Errorf("clips have changed: %s, not %s", got, frozen)
	}
}

const frozen = "1c8366b5bce8fa784544a4239438f56ea2d773bd9758794844ad1c44f438e772"

func TestAnyFrameCanBeDrawnByItself(t *testing.T) {
	for i := range Families {
		whole, _ := clip(New(&Families[i], 5, 80, 64, 12))
		s := New(&Families[i], 5, 80, 64, 12)
		rgb, masks := make([]uint8, 3*80*64), make([]uint8, s.Things()*80*64)
		for _, at := range []int{11, 3, 7} {
			if s.Draw(at, rgb, masks); !bytes.Equal(rgb, whole[at]) {
				t.Errorf("%s: frame %d differs when drawn by itself", Families[i].Name, at)
			}
		}
	}
}

// TestEveryFamilyShowsItsEvents looks at clips of the lengths of training and test.
func TestEveryFamilyShowsItsEvents(t *testing.T) {
	const w, h, seeds = 96, 96, 25
	for i := range Families {
		f := &Families[i]
		for _, frames := range []int{1, 8, 60} {
			lost := 0
			for seed := range seeds {
				s := New(f, uint64(TrainingSeeds+seed), w, h, frames)
				if !s.kept {
					t.Errorf("%s %d, %d frames: no layout was good enough", f.Name, seed, frames)
					continue
				}
				if s.Things() > Objects {
					t.Errorf("%s %d: %d objects", f.Name, seed, s.Things())
				}
				if seen, _ := s.sight(0); float64(seen) < 0.0045*w*h || float64(seen) > 0.1*w*h {
					t.Errorf("%s %d: the target has %d pixels on frame 0", f.Name, seed, seen)
				}
				alike := 0
				for _, o := range s.things {
					if o.alike {
						alike++
					}
				}
				if (alike > 0) != (f.Name == "crossing") {
					t.Errorf("%s %d: %d look-alikes", f.Name, seed, alike)
				}
				for at := range frames {
					seen, whole := s.sight(float64(at))
					if f.Name == "easy" && seen*2 < whole || f.Name == "easy" && seen == 0 {
						t.Errorf("easy %d: %d of %d pixels of the target are seen on frame %d", seed, seen, whole, at)
					}
					if f.Occludes && seen*5 < whole || f.Exits && seen == 0 {
						lost++
					}
				}
			}
			if (f.Occludes || f.Exits) && frames >= 8 && lost < 2*seeds {
				t.Errorf("%s: the target is lost on %d frames of %d clips of %d", f.Name, lost, seeds, frames)
			}
		}
	}
}

// TestMotionIsReal scores the target's box of frame 0, held still, against the true masks.
func TestMotionIsReal(t *testing.T) {
	const w, h, frames, seeds = 128, 128, 60, 12
	for i := range Families {
		sum := 0.0
		for seed := range seeds {
			s := New(&Families[i], uint64(TestSeeds+seed), w, h, frames)
			var held rect
			for at := range frames {
				s.sight(float64(at))
				owner := s.buf.owner
				if at == 0 {
					held = rect{w, h, 0, 0}
				}
				in, all := 0, 0
				for p, id := range owner {
					x, y := p%w, p/w
					if id == 1 && at == 0 {
						held = held.union(rect{x, y, x + 1, y + 1})
					}
					boxed := x >= held.x0 && x < held.x1 && y >= held.y0 && y < held.y1
					if boxed || id == 1 {
						all++
					}
					if boxed && id == 1 {
						in++
					}
				}
				if at > 0 {
					sum += float64(in) / float64(max(all, 1)) / (frames - 1) / seeds
				}
			}
		}
		if sum > 0.4 {
			t.Errorf("%s: a box held still scores %.3f", Families[i].Name, sum)
		}
	}
}

func TestStreamIsTheSameForAnyNumberOfJobs(t *testing.T) {
	c := &Clips{Family: "all", Seed: 9, Count: 6, Frames: 2, Width: 64, Height: 48, FPS: 30}
	var one, three bytes.Buffer
	if err := c.Stream(t.Context(), &one, 1); err != nil {
		t.Fatal(err)
	}
	if err := c.Stream(t.Context(), &three, 3); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Bytes(), three.Bytes()) {
		t.Error("the bytes depend on the number of jobs")
	}
	for i, family := range []string{"easy", "occlusion", "crossing", "exit", "easy", "occlusion"} {
		line, err := one.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		var h header
		if err := json.Unmarshal(line, &h); err != nil {
			t.Fatal(err)
		}
		if h.Family != family || h.Seed != 9+uint64(i/4) || h.Frames != 2 {
			t.Errorf("clip %d: %s", i, line)
		}
		data := one.Next(2 * 64 * 48 * (3 + h.Objects))
		s := New(Find(family), h.Seed, 64, 48, 2)
		rgb, masks := clip(s)
		if want := append(append([]byte{}, rgb[0]...), masks[0]...); !bytes.Equal(data[:len(want)], want) {
			t.Errorf("clip %d is not that of its seed", i)
		}
	}
	if one.Len() > 0 {
		t.Errorf("%d bytes too many", one.Len())
	}
}

func TestCoverageIsTheArea(t *testing.T) {
	var c coverage
	c.reset(rect{-2, 0, 6, 5})
	c.outline([]vec{{0.5, 0.5}, {4.25, 0.5}, {4.25, 3}, {0.5, 3}})
	var got [5][8]float64
	for y := range got {
		copy(got[y][:], c.at(y))
	}
	want := [5][8]float64{{0, 0, 0.25, 0.5, 0.5, 0.5, 0.125, 0}, {0, 0, 0.5, 1, 1, 1, 0.25, 0}, {0, 0, 0.5, 1, 1, 1, 0.25, 0}}
	if got != want {
		t.Errorf("rectangle: %v", got)
	}
	c.reset(rect{0, 0, 10, 10})
	c.outline([]vec{{1, 1}, {9, 2}, {3, 8}}) // area 27
	sum := 0.0
	for y := range 10 {
		for _, a := range c.at(y) {
			sum += a
		}
	}
	if sum < 26.999 || sum > 27.001 {
		t.Errorf("triangle of area 27 covers %v", sum)
	}
}

func TestPromptsBeyondTheEndAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prompts.json")
	if err := os.WriteFile(file, []byte(`{"prompts": [{"frame": 3, "box": [1,1,9,9]}]}`), 0o666); err != nil {
		t.Fatal(err)
	}
	o := &Options{Width: 64, Height: 48, Frames: 3, FPS: 30, Family: "easy", Options: prompt.Options{Prompts: graph.Path(file)}}
	_, err := Stage.Open(&graph.Env{Log: zerolog.Nop()}, o)
	if graph.KindOf(err) != graph.BadData || !strings.Contains(err.Error(), "a prompt names frame 3, but there are 3") {
		t.Error(err)
	}
}
