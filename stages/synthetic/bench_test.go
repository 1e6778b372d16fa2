package synthetic

import "testing"

// BenchmarkClip draws whole clips as training reads them, 8 frames of 256x256.
func BenchmarkClip(b *testing.B) {
	const side, frames = 256, 8
	for i := range Families {
		b.Run(Families[i].Name, func(b *testing.B) {
			rgb, masks := make([]uint8, side*side*3), make([]uint8, side*side*Objects)
			for k := range b.N {
				s := New(&Families[i], uint64(ValidationSeeds+k), side, side, frames)
				for t := range frames {
					s.Draw(t, rgb, masks)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*frames), "us/frame")
		})
	}
}
