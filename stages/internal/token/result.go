package token

import (
	"sync"

	"github.com/seed49bbd0e6/tachi/stages/internal/mask"
)

// Result is the host side of the chosen answers, for sinks. It carries no lease.
type Result struct {
	*Header
	Objects []*Tracked
}

// Tracked is where one object is on one frame. Its mask is made when it is first asked for, once
// for all sinks.
type Tracked struct {
	Object      int
	Logits      []float32 // Side*Side low-resolution logits, nil for dry runs
	Side        int       // S/4
	Width       int       // stored pixels of the upright frame
	Height      int
	Chosen      int     // index among the candidates, counted as in the multimask output; 0 when there was one
	IoU         float32 // predicted IoU
	ObjectLogit float32
	KFScore     *float64 // nil when the filter had no say
	FilterStage string   // "start", "warm-up", "motion"; "" when the filter did not run
	Appears     bool     // ObjectLogit above the threshold of the select stage

	once sync.Once
	mask *Mask
	box  Box
}

// Mask returns the mask at the video's resolution.
func (t *Tracked) Mask() *Mask { t.once.Do(t.enlarge); return t.mask }

// Box returns the box around the mask.
func (t *Tracked) Box() Box { t.once.Do(t.enlarge); return t.box }

// Lost reports whether no pixel belongs to the object.
func (t *Tracked) Lost() bool { return t.Box().Empty() }

func (t *Tracked) enlarge() {
	logits := t.Logits
	if !t.Appears {
		logits = nil
	}
	t.mask, t.box = mask.Enlarge(logits, t.Side, t.Width, t.Height)
}
