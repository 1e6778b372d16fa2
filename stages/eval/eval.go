// Package eval scores masks and boxes against the truth: files, and pipelines on made-up clips.
package eval

import (
	"context"
	"reflect"
	"sync"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/score"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
	"github.com/seed49bbd0e6/tachi/stages/results"
	"github.com/seed49bbd0e6/tachi/stages/synthetic"
)

// Scores are the measures of one sequence, each between 0 and 1; nil where the inputs do not tell.
type Scores struct {
	J          *float64 `json:"j"`
	AUC        *float64 `json:"auc"`
	Precision  *float64 `json:"precision_20px"`
	Normalized *float64 `json:"normalized_precision_0.2"`
}

// region sets J from the J of each frame.
func (s *Scores) region(frames []float64) error {
	j, err := score.Region(frames)
	if err != nil {
		return &graph.Error{Kind: graph.BadData, Err: err}
	}
	s.J = &j
	return nil
}

// track sets the measures of boxes.
func (s *Scores) track(truth, result []score.Box, absent []bool) error {
	t, err := score.Track(truth, result, absent)
	if err != nil {
		return &graph.Error{Kind: graph.BadData, Err: err}
	}
	s.AUC, s.Precision, s.Normalized = &t.AUC, &t.Precision, &t.Normalized
	return nil
}

// Mean averages over sequences. A measure that one of them lacks is missing.
func Mean(all []Scores) (mean Scores) {
	pick := func(get func(*Scores) **float64) {
		var values []float64
		for i := range all {
			if p := *get(&all[i]); p != nil {
				values = append(values, *p)
			}
		}
		if len(values) == len(all) && len(all) > 0 {
			m := score.Mean(values)
			*get(&mean) = &m
		}
	}
	pick(func(s *Scores) **float64 { return &s.J })
	pick(func(s *Scores) **float64 { return &s.AUC })
	pick(func(s *Scores) **float64 { return &s.Precision })
	pick(func(s *Scores) **float64 { return &s.Normalized })
	return mean
}

// Trial is one run of a pipeline on a synthetic clip, with the truth beside it.
type Trial struct {
	Plan *graph.Plan // reads the clip and writes nothing

	o     synthetic.Options
	mu    sync.Mutex
	truth map[int]*token.Mask // of the target, until the result is there
	j     []float64           // by frame
	boxes [2][]score.Box      // truth and result
}

// NewTrial makes a trial of a plan: a copy that reads a synthetic clip in place of its video and
// writes nothing. The plan must have a stage that gives a result.
func NewTrial(plan *graph.Plan, o synthetic.Options) (*Trial, error) {
	t := &Trial{o: o, truth: map[int]*token.Mask{}, j: make([]float64, o.Frames)}
	t.boxes = [2][]score.Box{make([]score.Box, o.Frames), make([]score.Box, o.Frames)}
	source := plan.Source()
	if len(source.Stage.Out) != 1 || source.Stage.Out[0].Type != reflect.TypeFor[*token.Frame]() {
		return nil, graph.Errorf(graph.BadConfig, "%s: the source %q has other ports than frames, and cannot be replaced", plan.File, source.ID)
	}
	if id, _ := results.Port(plan); id == "" {
		return nil, graph.Errorf(graph.BadConfig, "%s: no stage gives a result: there is nothing to score", plan.File)
	}
	t.Plan = plan.Edit(func(n *graph.PlanNode) {
		switch n.Stage.Role {
		case graph.Sink:
			n.Stage = graph.Discard(n.Stage)
		case graph.Source:
			n.Stage, n.Options = synthetic.Stage, &t.o
		}
	})
	return t, nil
}

// Listen returns a copy of the trial's plan, as it was settled, that reports to the trial. A dry
// run must not report: the trial would take the imagined frames for those of its clip.
func (t *Trial) Listen(plan *graph.Plan) (*graph.Plan, error) {
	plan = plan.Edit(func(n *graph.PlanNode) {
		if n.Stage.Role == graph.Source {
			n.Stage = graph.Wrap(n.Stage, t.recordTruth)
		}
	})
	return results.Tap(plan, func(r *token.Result) error {
		t.score(r)
		return nil
	})
}

// recordTruth keeps the truth of each frame that the source emits.
func (t *Trial) recordTruth(_ *graph.Env, inst *graph.Node) *graph.Node {
	run := func(ctx context.Context, emit func(any) error) error {
		return inst.Run(ctx, func(out any) error {
			f := out.(*synthetic.Out).Frame
			t.mu.Lock()
			t.truth[f.Index] = f.Truth[0].Mask
			t.mu.Unlock()
			return emit(out)
		})
	}
	return &graph.Node{Run: run, Close: inst.Close}
}

// score compares object 1, the target, with its truth.
func (t *Trial) score(r *token.Result) {
	t.mu.Lock()
	truth := t.truth[r.Index]
	delete(t.truth, r.Index)
	t.mu.Unlock()
	mask := &token.Mask{W: truth.W, H: truth.H, Pix: make([]uint8, len(truth.Pix))}
	for _, o := range r.Objects {
		if o.Object == 1 {
			mask = o.Mask()
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.j[r.Index] = score.IoU(truth.Pix, mask.Pix)
	t.boxes[0][r.Index], t.boxes[1][r.Index] = truth.Box(), mask.Box()
}

// Scores returns the measures of the clip once the run is over.
func (t *Trial) Scores() (s Scores, err error) {
	if err := s.region(t.j); err != nil {
		return s, err
	}
	return s, s.track(t.boxes[0], t.boxes[1], nil)
}

// Frames returns J of each frame.
func (t *Trial) Frames() []float64 { return t.j }

// BaselineNames are what Baselines returns, in its order.
var BaselineNames = []string{"first box held still", "best constant velocity"}

// Baselines scores what needs no tracker on a synthetic clip, boxes filled as masks: see package
// score.
func Baselines(ctx context.Context, o synthetic.Options) ([]Scores, error) {
	var truth []score.Box
	var masks []*score.Areas
	err := o.Play(ctx, func(f *token.Frame) error {
		m := f.Truth[0].Mask
		truth, masks = append(truth, m.Box()), append(masks, score.NewAreas(m.Pix, m.W, m.H))
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []Scores
	for _, boxes := range [][]score.Box{score.Held(truth), score.ConstantVelocity(truth, masks)} {
		var s Scores
		if err := s.region(score.Fill(boxes, masks)); err != nil {
			return nil, err
		}
		if err := s.track(truth, boxes, nil); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}
