package main

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/pipelines"
	"github.com/seed49bbd0e6/tachi/runtime"
	"github.com/seed49bbd0e6/tachi/stages/eval"
	"github.com/seed49bbd0e6/tachi/stages/synthetic"
)

// evalCmd scores masks and boxes against the truth.
type evalCmd struct {
	Truth  string `placeholder:"PATH" help:"Truth: a folder of indexed PNGs, a text of boxes x,y,w,h, or a folder with masks/ or groundtruth.txt in it."`
	Result string `placeholder:"PATH" help:"What to score, likewise, e.g. the masks or the tracks.txt of a run."`
	Object int    `default:"0" help:"Score this object alone; 0 for all of the first picture."`

	Synthetic bool     `help:"Score pipelines on made-up clips instead, beside a box held still and the best box at constant velocity."`
	Pipeline  []string `sep:"none" placeholder:"TOML" help:"With --synthetic: a pipeline to run, its source replaced and nothing written. May be repeated."`
	Family    string   `default:"all" help:"With --synthetic: easy, occlusion, crossing, exit, or all."`
	Clips     int      `default:"100" help:"With --synthetic: clips of each family."`
	Frames    int      `default:"60" help:"With --synthetic: frames of a clip."`
	Size      string   `default:"256x256" placeholder:"WxH" help:"With --synthetic: pixels."`
	Seed      int      `default:"3000000" help:"With --synthetic: first seed."`
	Device    string   `placeholder:"NAME" help:"auto, cpu, cuda or cuda:N."`
	Precision string   `placeholder:"NAME" help:"auto, f32, bf16 or f16."`
	Variant   string   `placeholder:"NAME" help:"As for run."`
	Weights   string   `placeholder:"PATH" help:"As for run."`
	Set       []string `placeholder:"KEY=VALUE" sep:"none" help:"Set any key of the pipelines. May be repeated."`
}

// row is one line of the table: a method on a family, or a result.
type row struct {
	Family string `json:"family,omitempty"`
	Method string `json:"method"`
	Object int    `json:"object,omitempty"`
	Clips  int    `json:"clips,omitempty"`
	eval.Scores
	PerClip []clipScores `json:"per_clip,omitempty"`
}

type clipScores struct {
	Seed int `json:"seed"`
	eval.Scores
}

// Run scores files, or pipelines on made-up clips.
func (c *evalCmd) Run(a *app) error {
	switch {
	case c.Synthetic && (c.Truth != "" || c.Result != ""):
		return usagef("--synthetic makes its own truth: it takes no --truth and no --result")
	case c.Synthetic:
		return c.synthetic(a)
	case c.Truth == "" || c.Result == "":
		return usagef("say what to score: --truth PATH --result PATH, or --synthetic --pipeline TOML")
	case len(c.Pipeline) > 0:
		return usagef("--pipeline runs on made-up clips: give --synthetic with it")
	}
	scores, err := eval.Files(c.Truth, c.Result, c.Object)
	if err != nil {
		return err
	}
	var rows []row
	var all []eval.Scores
	for _, o := range slices.Sorted(maps.Keys(scores)) {
		rows = append(rows, row{Method: c.Result, Object: o, Scores: scores[o]})
		all = append(all, scores[o])
	}
	if len(rows) > 1 {
		rows = append(rows, row{Method: "mean over objects", Scores: eval.Mean(all)})
	}
	return printRows(a, rows)
}

// synthetic runs every pipeline on every clip.
func (c *evalCmd) synthetic(a *app) error {
	families := []string{c.Family}
	if c.Family == "all" {
		families = nil
		for _, f := range synthetic.Families {
			families = append(families, f.Name)
		}
	}
	w, h, err := parseSize(c.Size)
	if err != nil {
		return err
	}
	if c.Frames < 3 {
		return usagef("--frames: must be at least 3: J leaves out the first and the last")
	}
	results := map[string]map[string][]clipScores{} // by method and family
	put := func(method, family string, s clipScores) {
		if results[method] == nil {
			results[method] = map[string][]clipScores{}
		}
		results[method][family] = append(results[method][family], s)
	}
	var methods []string
	for _, file := range c.Pipeline {
		method := strings.TrimSuffix(filepath.Base(file), ".toml")
		if slices.Contains(methods, method) {
			return usagef("--pipeline: two pipelines are named %s", method)
		}
		methods = append(methods, method)
	}
	sets := make([]*synthetic.Clips, len(families))
	for i, family := range families {
		sets[i] = &synthetic.Clips{Family: family, Seed: c.Seed, Count: c.Clips, Frames: c.Frames, Width: w, Height: h, FPS: 30}
		if err := sets[i].Validate(); err != nil {
			return usagef("--%v", err)
		}
	}
	for i, method := range methods {
		err := c.pipeline(a, c.Pipeline[i], sets, func(family string, s clipScores) { put(method, family, s) })
		if err != nil {
			return err
		}
	}
	ctx, stop := a.whole()
	defer stop()
	for _, set := range sets {
		for i := range set.Count {
			o := set.Options(i)
			base, err := eval.Baselines(ctx, o)
			if err != nil {
				return err
			}
			for k, s := range base {
				put(eval.BaselineNames[k], o.Family, clipScores{o.Seed, s})
			}
			c.progress(a, "baselines", o.Family, i+1)
		}
	}
	methods = append(methods, eval.BaselineNames...)
	return printRows(a, tabulate(methods, families, results))
}

// pipeline runs one pipeline on all clips. The model is loaded once.
func (c *evalCmd) pipeline(a *app, file string, sets []*synthetic.Clips, put func(string, clipScores)) (err error) {
	flags := pipelineFlags{File: file, overrideFlags: overrideFlags{Device: c.Device, Precision: c.Precision, Variant: c.Variant, Weights: c.Weights, Set: c.Set}}
	shared := &sharedModel{a: a}
	defer shared.close()
	for _, set := range sets {
		for i := range set.Count {
			p, err := flags.load()
			if err != nil {
				return err
			}
			o := set.Options(i)
			trial, err := eval.NewTrial(p.Graph, o)
			if err != nil {
				return err
			}
			p.Graph = trial.Plan
			model, err := shared.open(p)
			if err != nil {
				return err
			}
			plan, err := a.plan(p, pipelines.Options{Model: model})
			if err != nil {
				return err
			}
			if plan.Graph, err = trial.Listen(plan.Graph); err != nil {
				return err
			}
			if _, err := plan.Run(a.ctx, runtime.Options{Drain: a.drain}); err != nil {
				return fmt.Errorf("%s, seed %d: %w", o.Family, o.Seed, err)
			}
			s, err := trial.Scores()
			if err != nil {
				return fmt.Errorf("%s, seed %d: %w", o.Family, o.Seed, err)
			}
			put(o.Family, clipScores{o.Seed, s})
			c.progress(a, file, o.Family, i+1)
		}
	}
	return nil
}

// progress shows on a terminal how far it is.
func (c *evalCmd) progress(a *app, what, family string, done int) {
	if a.Quiet || a.JSON || !isTerminal(a.err) {
		return
	}
	fmt.Fprintf(a.err, "\r\x1b[K%s: %s %d of %d", what, family, done, c.Clips)
	if done == c.Clips {
		fmt.Fprint(a.err, "\r\x1b[K")
	}
}

// tabulate averages over each family's clips and over all.
func tabulate(methods, families []string, results map[string]map[string][]clipScores) (rows []row) {
	scores := func(clips []clipScores) (out []eval.Scores) {
		for _, c := range clips {
			out = append(out, c.Scores)
		}
		return out
	}
	for _, family := range families {
		for _, m := range methods {
			clips := results[m][family]
			rows = append(rows, row{Family: family, Method: m, Clips: len(clips), Scores: eval.Mean(scores(clips)), PerClip: clips})
		}
	}
	if len(families) > 1 {
		for _, m := range methods {
			var all []eval.Scores
			for _, family := range families {
				all = append(all, scores(results[m][family])...)
			}
			rows = append(rows, row{Family: "all", Method: m, Clips: len(all), Scores: eval.Mean(all)})
		}
	}
	return rows
}

// printRows writes a table, or one JSON object a row.
func printRows(a *app, rows []row) error {
	if a.JSON {
		for _, r := range rows {
			if err := writeJSON(a, r); err != nil {
				return err
			}
		}
		return nil
	}
	return writeRows(a.out, rows)
}

func writeRows(out io.Writer, rows []row) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	head := "family\tmethod\tclips"
	if rows[0].Family == "" {
		head = "object\tresult\t"
	}
	fmt.Fprintln(w, head+"\tJ\tAUC\tP@20px\tPn@0.2")
	for _, r := range rows {
		key, clips := r.Family, fmt.Sprint(r.Clips)
		if r.Family == "" {
			key, clips = fmt.Sprint(r.Object), ""
			if r.Object == 0 {
				key = ""
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", key, r.Method, clips, three(r.J), three(r.AUC), three(r.Precision), three(r.Normalized))
	}
	if err := w.Flush(); err != nil {
		return &graph.Error{Kind: graph.BadOutput, Err: err}
	}
	return nil
}

// three prints a score with three decimals, a dash when there is none.
func three(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f", *v)
}
