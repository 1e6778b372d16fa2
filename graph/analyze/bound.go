package analyze

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
)

// Bound is the device memory that a plan will have, all of it, before it runs:
//
//	tokens     results that wait for their readers, for each output as many as can be alive at once
//	state      results that are remembered: what goes out on a delay edge
//	workspace  temporaries of the firings; stages take turns in one where only one frame is resident
//	scratch    what the device needs beside them for a single operation
//	surfaces   pictures of the source's decoder, where a GPU decodes
//	weights    of the network, as the device has packed them
//
// Each stage gets an arena of its part and can have no more.
type Bound struct {
	Footprints []*Footprint
	Scratch    int
	Surfaces   int
	Weights    int
	Batch      int
	Micro      int
}

// Tokens returns the bytes of results that are no state, of one stage.
func (f *Footprint) Tokens() int {
	results := f.Need.Bytes() - f.Need.Work
	state, tokens := false, 0
	for i := range f.Stage.Out {
		if f.Remembers(i) && f.Stage.Out[i].Device() {
			state = true
		} else {
			tokens += f.Token[i] * f.Alive[i]
		}
	}
	if !state {
		return results
	}
	return min(tokens, results)
}

// State returns the bytes that the stage has remembered.
func (f *Footprint) State() int { return f.Need.Bytes() - f.Need.Work - f.Tokens() }

// sum adds up over the stages.
func (b *Bound) sum(part func(*Footprint) int) (bytes int) {
	for _, f := range b.Footprints {
		bytes += part(f)
	}
	return bytes
}

// Shared reports whether the stages have one workspace. Where one frame is resident at a time they
// work one after the other anyway; where there are more, they would wait for each other.
func (b *Bound) Shared() bool { return b.Batch == 1 }

// Workspace returns the bytes of temporaries.
func (b *Bound) Workspace() (bytes int) {
	for _, f := range b.Footprints {
		if b.Shared() {
			bytes = max(bytes, f.Need.Work)
		} else {
			bytes += f.Need.Work
		}
	}
	return bytes
}

// Reserve returns a copy of the plan in which every stage has an arena of just what it needs.
func (b *Bound) Reserve(p *graph.Plan) *graph.Plan {
	needs := map[string]*kernels.Reserve{}
	for _, f := range b.Footprints {
		needs[f.ID] = &f.Need
	}
	q := p.Edit(func(n *graph.PlanNode) { n.Arena = needs[n.ID] })
	q.Workspace = 0
	if b.Shared() {
		q.Workspace = b.Workspace()
	}
	return q
}

// Arenas returns the bytes of all stages' arenas.
func (b *Bound) Arenas() int {
	return b.Workspace() + b.sum(func(f *Footprint) int { return f.Need.Bytes() - f.Need.Work })
}

// Bytes returns the bound.
func (b *Bound) Bytes() int { return b.Arenas() + b.Scratch + b.Surfaces + b.Weights }

// item is one part of a bound, and how to make it smaller.
type item struct {
	what  string
	bytes int
	knob  string
}

// largest returns the largest part.
func (b *Bound) largest() (most item) {
	consider := func(what string, bytes int, knob string) {
		if bytes > most.bytes {
			most = item{what, bytes, knob}
		}
	}
	for _, f := range b.Footprints {
		consider(f.ID+" tokens", f.Tokens(), "a smaller pipeline.batch")
		consider(f.ID+" state", f.State(), "fewer objects")
		knob := "a smaller model.config.image_size or model.variant"
		if f.Stage.Gather && !f.InCycle && b.Micro > 1 {
			knob = "a smaller pipeline.micro"
		}
		consider(f.ID+" workspace", f.Need.Work, knob)
	}
	consider("scratch", b.Scratch, "fewer pipeline.threads")
	consider("surfaces", b.Surfaces, "a source without hwaccel")
	consider("weights", b.Weights, "a smaller model.variant")
	return most
}

// Advice names the largest part and what makes it smaller.
func (b *Bound) Advice() string {
	most := b.largest()
	return fmt.Sprintf("largest: %s %s; what helps: %s", most.what, graph.Size(most.bytes), most.knob)
}

// WriteText prints the bound as a table.
func (b *Bound) WriteText(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "stage\ttokens\tstate\tworkspace\twhat is held")
	for _, f := range b.Footprints {
		if f.Need.Bytes() == 0 {
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.ID, dash(f.Tokens()), dash(f.State()), dash(f.Need.Work), f.holds())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	turns := ""
	if b.Shared() {
		turns = ", in which the stages take turns"
	}
	surfaces := ""
	if b.Surfaces > 0 {
		surfaces = " | surfaces " + graph.Size(b.Surfaces)
	}
	_, err := fmt.Fprintf(out, "tokens %s | state %s | workspace %s%s | scratch %s%s | weights %s | bound %s\n",
		graph.Size(b.sum((*Footprint).Tokens)), graph.Size(b.sum((*Footprint).State)), graph.Size(b.Workspace()), turns, graph.Size(b.Scratch), surfaces, graph.Size(b.Weights), graph.Size(b.Bytes()))
	return err
}

// holds says how many tokens of which size.
func (f *Footprint) holds() string {
	var parts []string
	for i, p := range f.Stage.Out {
		switch {
		case f.Token[i] == 0:
		case f.Remembers(i):
			parts = append(parts, fmt.Sprintf("%s: %d at once, what they share once", p.Name, f.Alive[i]))
		default:
			parts = append(parts, fmt.Sprintf("%s: %d x %s", p.Name, f.Alive[i], graph.Size(f.Token[i])))
		}
	}
	return strings.Join(parts, ", ")
}

func dash(bytes int) string {
	if bytes == 0 {
		return "-"
	}
	return graph.Size(bytes)
}

// MarshalJSON gives the numbers of the table.
func (b *Bound) MarshalJSON() ([]byte, error) {
	type port struct {
		Name  string `json:"name"`
		Alive int    `json:"alive"`
		Bytes int    `json:"token_bytes"`
	}
	type stage struct {
		ID        string `json:"id"`
		Stage     string `json:"stage"`
		Tokens    int    `json:"token_bytes"`
		State     int    `json:"state_bytes"`
		Workspace int    `json:"workspace_bytes"`
		Ports     []port `json:"outputs"`
	}
	var stages []stage
	for _, f := range b.Footprints {
		s := stage{ID: f.ID, Stage: f.Stage.Name, Tokens: f.Tokens(), State: f.State(), Workspace: f.Need.Work, Ports: []port{}}
		for i, p := range f.Stage.Out {
			if p.Device() {
				s.Ports = append(s.Ports, port{p.Name, f.Alive[i], f.Token[i]})
			}
		}
		stages = append(stages, s)
	}
	return json.Marshal(map[string]any{"batch": b.Batch, "micro": b.Micro, "stages": stages, "token_bytes": b.sum((*Footprint).Tokens),
		"state_bytes": b.sum((*Footprint).State), "workspace_bytes": b.Workspace(), "scratch_bytes": b.Scratch,
		"surface_bytes": b.Surfaces, "weight_bytes": b.Weights, "bound_bytes": b.Bytes()})
}

// Fit resolves the plan for an input and reserves its device memory, so that it fits into the
// budget of [pipeline].memory. measure returns the bound of a resolved plan. A batch that the file
// leaves open is halved until the plan fits; a plan that does not fit is refused.
func Fit(p *graph.Plan, size Sizing, measure func(*graph.Plan) (*Bound, error)) (*graph.Plan, *Bound, error) {
	for {
		q, err := Resolve(p, size)
		if err != nil {
			return nil, nil, err
		}
		b, err := measure(q)
		if err != nil {
			return nil, nil, err
		}
		if q.Pipeline.Memory == 0 || int64(b.Bytes()) <= q.Pipeline.Memory {
			return b.Reserve(q), b, nil
		}
		if !size.halveBatch(p, q) {
			return nil, nil, tooLarge(q, b)
		}
	}
}

// halveBatch makes Resolve choose half the batch that it has chosen in resolved, and reports
// whether there was a choice and something to halve.
func (s *Sizing) halveBatch(p, resolved *graph.Plan) bool {
	if p.Pipeline.Batch != 0 || resolved.Pipeline.Batch < 2 {
		return false
	}
	s.MaxBatch = resolved.Pipeline.Batch / 2
	return true
}

// Shrink makes Resolve choose half the micro-batch that it has chosen in resolved, or else half the
// batch, and reports whether there was a choice and something to halve.
func (s *Sizing) Shrink(p, resolved *graph.Plan) bool {
	if p.Pipeline.Micro == 0 && resolved.Pipeline.Micro > 1 {
		s.MaxMicro = resolved.Pipeline.Micro / 2
		return true
	}
	return s.halveBatch(p, resolved)
}

func tooLarge(p *graph.Plan, b *Bound) error {
	d := p.Complain("pipeline.memory", "the plan needs %s on the device, the budget is %s", graph.Size(b.Bytes()), graph.Size(int(p.Pipeline.Memory)))
	d.Notes = []string{b.Advice()}
	return graph.Diagnostics{d}
}
