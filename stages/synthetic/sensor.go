package synthetic

import (
	"math"
	"math/rand/v2"
)

// sensor is what happens to the picture on its way to the file: soft optics, the light's changes,
// noise, and compression in blocks.
type sensor struct {
	shutter float64
	gain    wave
	ramp    float64 // per frame
	warm    float64 // towards red, away from blue
	noise   float64
	soft    bool
	quantum int32 // of the lowest frequency; 0: none
}

func newSensor(r random) sensor {
	s := sensor{shutter: r.in(common.Shutter), gain: r.wave(common.Gain, span{0.05, 0.3}), ramp: r.in(common.Ramp) / 60,
		warm: r.in(span{-0.08, 0.08}), noise: r.in(common.Noise), soft: r.chance(common.Soft)}
	if r.chance(0.3) {
		s.noise = 0
	}
	if q := r.in(common.Quantum); r.chance(common.Compress) {
		s.quantum = int32(q + 0.5)
	}
	return s
}

// expose changes a picture in place.
func (n *sensor) expose(s *Scene, t int, rgb []uint8) {
	if n.soft {
		soften(rgb, s.Width, s.Height, &s.buf)
	}
	gain := 1 + n.gain.at(float64(t)) + min(max(n.ramp*float64(t), -0.5), 0.5)
	var table [3][256]int32 // levels times 16
	for c, tint := range [3]float64{1 + n.warm, 1, 1 - n.warm} {
		for v := range table[c] {
			table[c][v] = int32(math.Round(16 * float64(v) * gain * tint))
		}
	}
	state := rand.New(rand.NewPCG(s.Seed, uint64(t)<<8|3)).Uint64() | 1
	noise := int32(16 * n.noise)
	for i := 0; i < len(rgb); i += 3 {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		for c := range 3 {
			v := table[c][rgb[i+c]] + (bell[state>>(20*c)&1023]*noise)>>8 + 8
			rgb[i+c] = uint8(min(max(v>>4, 0), 255))
		}
	}
	if n.quantum > 0 {
		compress(rgb, s.Width, s.Height, n.quantum, &s.buf)
	}
}

// bell is a normal distribution in 1024 steps, its standard deviation 256.
var bell = func() (table [1024]int32) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range table {
		sum := 0.0
		for range 12 {
			sum += r.Float64() - 0.5
		}
		table[i] = int32(math.Round(256 * sum))
	}
	return table
}()

// soften averages 3x3 pixels with weights 1 2 1.
func soften(rgb []uint8, w, h int, b *buffers) {
	if cap(b.rgb) < len(rgb) {
		b.rgb = make([]uint8, len(rgb))
	}
	rows := b.rgb[:len(rgb)]
	for y := range h {
		up, mid, down := rgb[max(y-1, 0)*w*3:][:w*3], rgb[y*w*3:][:w*3], rgb[min(y+1, h-1)*w*3:][:w*3]
		for i, v := range mid {
			rows[y*w*3+i] = uint8((int(up[i]) + 2*int(v) + int(down[i]) + 2) >> 2)
		}
	}
	for y := range h {
		row, out := rows[y*w*3:][:w*3], rgb[y*w*3:][:w*3]
		copy(out, row)
		for i := 3; i < len(row)-3; i++ {
			out[i] = uint8((int(row[i-3]) + 2*int(row[i]) + int(row[i+3]) + 2) >> 2)
		}
	}
}
