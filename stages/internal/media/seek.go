//go:build !nomedia

package media

import (
	"crypto/sha256"
	"errors"

	"github.com/asticode/go-astiav"
)

// Mark identifies a frame of a video: when it is shown, and what it shows.
type Mark struct {
	PTS  int64
	Hash [sha256.Size]byte
}

// MarkOf returns the mark of a frame.
func MarkOf(pts int64, rgb []uint8) Mark { return Mark{pts, sha256.Sum256(rgb)} }

// ErrNotFound is what Find returns when a frame is not where its mark says.
var ErrNotFound = errors.New("the frame is not where it was")

// Find goes on behind the frame of a mark, which was frame number index. It seeks, and believes
// only a frame of the same time and the same pixels: containers lie about where they are, and
// streams decode differently after a seek. After an error the Reader can only be closed.
func (r *Reader) Find(m Mark, index int) error {
	if err := r.fc.SeekFrame(r.video.Index(), m.PTS, astiav.NewSeekFlags(astiav.SeekFlagBackward)); err != nil {
		return ErrNotFound
	}
	flush(r.dec)
	r.restart()
	p, err := r.decode()
	if err != nil || p.pts == astiav.NoPtsValue {
		return ErrNotFound
	}
	if r.next, err = r.finish(p, nil); err != nil {
		return err
	}
	for {
		f, err := r.Next()
		switch {
		case errors.Is(err, ErrInterrupted):
			return err
		case err != nil || f.PTS > m.PTS:
			return ErrNotFound
		case f.PTS == m.PTS && MarkOf(f.PTS, f.RGB) != m:
			return ErrNotFound
		case f.PTS == m.PTS:
			if r.next != nil {
				r.next.Index = index + 1
			}
			return nil
		}
	}
}

// restart forgets what was read before a seek. Damage that was counted remains.
func (r *Reader) restart() {
	r.pendingAudio, r.ended, r.readErr, r.ragged = nil, false, nil, false
	if r.held != nil {
		r.held.Free()
		r.held = nil
	}
	r.timeline = newTimeline(r.fc, r.video, r.audio, float64(r.step)*r.video.TimeBase().Float64())
	r.packetLog = r.newPacketLog()
}
