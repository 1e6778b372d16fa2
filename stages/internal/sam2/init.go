package sam2

import (
	"iter"
	"math"
	"strings"

	"github.com/seed49bbd0e6/tachi/kernels/weights"
)

// A random checkpoint, for tests and benchmarks: every value follows from the tensor's name, its
// index and a seed, by integer arithmetic and two float32 roundings, so that any program can make
// the same one. The hash of the name (FNV-1a) and the seed start a SplitMix64 sequence whose top 24
// bits are a number in [-1, 1); it is scaled and shifted by what the tensor is, so that signals
// neither die nor explode on their way through the network.

// golden is the SplitMix64 increment, 2^64 over the golden ratio.
const golden = 0x9E3779B97F4A7C15

// Init returns the tensors of a random checkpoint under their official names, in the order of
// Tensors. Values are made when they are read.
func Init(c Config, seed uint64) iter.Seq2[string, *weights.Tensor] {
	return func(yield func(string, *weights.Tensor) bool) {
		for _, s := range c.Tensors() {
			t, err := weights.Func(s.Name, s.Shape, func(v []float32) { random(v, s, seed) })
			if err != nil || !yield(s.Name, t) {
				return
			}
		}
	}
}

// random fills v with the values of a tensor.
func random(v []float32, s Spec, seed uint64) {
	scale, shift := spread(s)
	state := hash(s.Name) ^ seed*golden
	for i := range v {
		state += golden
		f := float32(int64(mix(state)>>40))/(1<<23) - 1 // 24 bits: exact
		v[i] = float32(f*scale) + shift
	}
}

// spread returns the half width and the centre of a tensor's values.
func spread(s Spec) (scale, centre float32) {
	parts := strings.Split(s.Name, ".")
	tail := parts[max(len(parts)-2, 0):]
	switch {
	case strings.HasSuffix(s.Name, ".bias"):
		return 0.02, 0
	case len(s.Shape) == 1 && strings.HasSuffix(s.Name, ".weight"): // of a norm
		return 0.1, 1
	case strings.HasSuffix(s.Name, "gamma"):
		return 0.1, 0
	case strings.HasSuffix(s.Name, "positional_encoding_gaussian_matrix"):
		return 1, 0
	case isEmbedding(tail):
		return 0.5, 0
	}
	return float32(math.Sqrt(3 / float64(s.Len()/s.Shape[0]))), 0 // variance 1/fan-in
}

// isEmbedding reports whether the last two parts of a name are those of a learned vector.
func isEmbedding(tail []string) bool {
	for _, part := range tail {
		for _, mark := range []string{"embed", "token", "tpos_enc", "no_obj_ptr", "no_mem"} {
			if strings.Contains(part, mark) {
				return true
			}
		}
	}
	return false
}

// hash is 64-bit FNV-1a.
func hash(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return h
}

// mix is the finaliser of SplitMix64.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}
