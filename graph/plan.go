package graph

import "github.com/seed49bbd0e6/tachi/kernels"

// Settings are the keys of [pipeline], resolved as far as the file allows.
type Settings struct {
	Device    string // auto | cpu | cuda | cuda:N
	Precision string // f32 | bf16 | f16, what products multiply in; "": auto
	Batch     int    // 0: auto
	Micro     int    // 0: auto
	Threads   int    // 0: auto
	Memory    int64  // device budget in bytes, 0: none
}

// ModelSettings are the keys of [model].
type ModelSettings struct {
	Variant string
	Weights string         // "embedded", or a path already resolved against the file
	Config  map[string]any // [model.config], dotted keys as in the reference's YAML
	Set     bool           // the file has a [model] table, or a command-line flag made one
}

// Plan is a checked graph in topological order, ready to run.
type Plan struct {
	File     string
	Pipeline Settings
	Model    ModelSettings
	Nodes    []*PlanNode // topological over edges without delay; the source first
	Edges    []*Edge     // by the stage they lead to in file order, then by input in file order

	Workspace int // bytes that the stages take turns in for their temporaries; 0: each has its own

	Forced bool // run it even if it will stop for ever; for demonstrations

	root *node                       // the file as it was read, for Complain
	auto struct{ batch, micro bool } // chosen by Resolve, not by the file

	most, mostMicro int // the largest batch and micro-batch that Resolve may choose, 0 for any
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
	ToPort   int // index into To.Stage.In
	Delay    int // 0 or 1
	Capacity int // tokens the edge holds; 0 until Resolve when the file leaves it out
	Line     int

	auto bool // Capacity was chosen by Resolve
}

// Source is the node that reads the input.
func (p *Plan) Source() *PlanNode { return p.Nodes[0] }
