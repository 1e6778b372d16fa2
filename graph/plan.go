package graph

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Settings are the keys of [pipeline], resolved as far as the file allows.
type Settings struct {
	Device    string // auto | cpu | cuda | cuda:N
	Precision string // f32 | bf16 | f16, what products multiply in; "": auto
	Batch     int    // 0: auto
	Micro     int    // 0: auto
	Threads   int    // 0: auto
	Memory    int64  // device budget in bytes, 0: none
}

// Precisions are what products may multiply in.
var Precisions = []string{"auto", "f32", "bf16", "f16"}

var DeviceName = regexp.MustCompile(`^(auto|cpu|cuda(:[0-9]{1,3})?)$`)

// Embedded is the value of [model].weights that means the weights inside the program.
const Embedded = "embedded"

// ModelSettings are the keys of [model].
type ModelSettings struct {
	Variant string
	Weights string         // "embedded", or a path already resolved against the file
	Config  map[string]any // [model.config], dotted keys as in the reference's YAML
	Set     bool           // the file has a [model] table, or a command-line flag made one
}

// Plan is a checked graph in topological order. A plan does not change: what resolves it, replaces
// stages in it or reserves memory for it returns another plan.
type Plan struct {
	File     string
	Pipeline Settings
	Model    ModelSettings
	Nodes    []*PlanNode // topological over edges without delay; the source first
	Edges    []*Edge     // by the stage they lead to in file order, then by input in file order

	Workspace int // bytes that the stages take turns in for their temporaries; 0: each has its own

	// Locate makes a diagnostic that points at a key of the plan's file; see Complain. Nil in a
	// plan that was not read from a file.
	Locate func(key, message string) Diagnostic
}

// PlanNode is one stage instance of a plan.
type PlanNode struct {
	ID      string // the table name in [stages.ID]
	Stage   *Stage
	Options any     // pointer to the decoded options struct
	In      []*Edge // by input port, nil where an optional input is open
	Out     []*Edge // all edges that leave it, by output port then in file order
	InCycle bool    // on a cycle that a delay edge closes

	Arena *kernels.Reserve // the device memory it gets, nil: whatever it asks for
	Line  int              // where the stage stands in the file
}

// Edge joins an output port to an input port.
type Edge struct {
	From     *PlanNode
	FromPort int // index into From.Stage.Out
	To       *PlanNode
	ToPort   int  // index into To.Stage.In
	Delay    int  // 0 or 1
	Capacity int  // tokens the edge holds; 0 in an unresolved plan when the file leaves it out
	Chosen   bool // Capacity was not given by the file
	Line     int
}

// Source is the node that reads the input.
func (p *Plan) Source() *PlanNode { return p.Nodes[0] }

// Complain makes a diagnostic that points at a key of the plan's file, for checks made after
// loading: at the longest part of the dotted path that the file has. Keys of [model.config] are
// given as one path, e.g. model.config.image_encoder.trunk.embed_dim.
func (p *Plan) Complain(key, format string, args ...any) Diagnostic {
	message := fmt.Sprintf(format, args...)
	if p.Locate == nil {
		return Diagnostic{File: p.File, Message: message}
	}
	return p.Locate(key, message)
}

// Name is the plan's file without folder and extension.
func (p *Plan) Name() string {
	base := filepath.Base(p.File)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// Edit returns a copy of the plan. edit is called on each node of the copy and may give it another
// stage with the same ports, other options, or an arena; a nil edit copies the plan as it is.
func (p *Plan) Edit(edit func(n *PlanNode)) *Plan {
	q := *p
	nodes, edges := map[*PlanNode]*PlanNode{}, map[*Edge]*Edge{nil: nil}
	q.Edges = make([]*Edge, len(p.Edges))
	for i, e := range p.Edges {
		c := *e
		q.Edges[i], edges[e] = &c, &c
	}
	q.Nodes = make([]*PlanNode, len(p.Nodes))
	for i, n := range p.Nodes {
		c := *n
		c.In, c.Out = make([]*Edge, len(n.In)), make([]*Edge, len(n.Out))
		for i, e := range n.In {
			c.In[i] = edges[e]
		}
		for i, e := range n.Out {
			c.Out[i] = edges[e]
		}
		q.Nodes[i], nodes[n] = &c, &c
	}
	for _, e := range q.Edges {
		e.From, e.To = nodes[e.From], nodes[e.To]
	}
	if edit != nil {
		for _, n := range q.Nodes {
			edit(n)
		}
	}
	return &q
}

// Input returns the port that the edge leads to.
func (e *Edge) Input() *Port { return &e.To.Stage.In[e.ToPort] }

// Output returns the port that the edge comes from.
func (e *Edge) Output() *Port { return &e.From.Stage.Out[e.FromPort] }

// Source returns "stage.port" of where the edge begins.
func (e *Edge) Source() string { return e.From.ID + "." + e.Output().Name }

// TakeOrder lists the connected inputs of a stage in the order in which it takes their tokens:
// those that come last first, so that it waits for them with empty hands. That is what was made by
// a later stage, and before all what comes over a delay, from the end of the frame before.
func (p *Plan) TakeOrder(n *PlanNode) (ports []int) {
	for i, e := range n.In {
		if e != nil {
			ports = append(ports, i)
		}
	}
	slices.SortStableFunc(ports, func(a, b int) int {
		x, y := n.In[a], n.In[b]
		return cmp.Or(cmp.Compare(y.Delay, x.Delay), cmp.Compare(slices.Index(p.Nodes, y.From), slices.Index(p.Nodes, x.From)))
	})
	return ports
}

// Inside returns the most frames that a stage works on at once.
func (p *Plan) Inside(n *PlanNode) int {
	if n.Stage.Gather && !n.InCycle {
		return max(p.Pipeline.Micro, 1)
	}
	return 1
}

// Remembers reports whether the tokens of an output are state: declared so, or read on a later
// frame. They carry no lease.
func (n *PlanNode) Remembers(port int) bool {
	state := n.Stage.Out[port].State
	for _, e := range n.Out {
		state = state || e.FromPort == port && e.Delay > 0
	}
	return state
}
