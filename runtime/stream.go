package runtime

import (
	"context"
	"fmt"

	"github.com/reugn/go-streams"
)

// What the library calls an Outlet is an output port of a node, and an Inlet is an input port: a bounded queue that
// the upstream closes. A port of a node is thus a Source, a Flow or a Sink, and a stretch of a plan reads as in the
// library: source.Via(a).Via(b).To(sink).
//
// Between two nodes Via hands the queue of the one to the other; tokens then travel without a goroutine between
// them. Against a component from elsewhere it does what the library does, a goroutine that transmits bare values,
// with the difference that it ends with the run. Tokens with device memory do not go out that way: the library has
// no means to say when a value has been used.

// inlet is a node seen through an input port.
type inlet struct {
	*node
	port int // in the stage's In
}

// outlet is a node seen through an output port.
type outlet struct {
	*node
	port int // in the stage's Out
}

var (
	_ streams.Flow   = inlet{}
	_ streams.Sink   = inlet{}
	_ streams.Source = outlet{}
)

// In returns the queue of the port.
func (in inlet) In() chan<- any {
	for _, i := range in.inputs {
		if i.port == &in.stage.In[in.port] {
			return i.queue
		}
	}
	return nil
}

// Out returns the values of the node's first output.
func (in inlet) Out() <-chan any { return outlet{in.node, 0}.Out() }

// Via joins the node's first output to a flow and returns that.
func (in inlet) Via(f streams.Flow) streams.Flow { return outlet{in.node, 0}.Via(f) }

// To joins the node's first output to a sink and waits for that to finish.
func (in inlet) To(s streams.Sink) { outlet{in.node, 0}.To(s) }

// Out returns the values of the port on a channel of their own.
func (out outlet) Out() <-chan any {
	values := make(chan any)
	out.transmit(values)
	return values
}

// Via joins the port to a flow and returns that.
func (out outlet) Via(f streams.Flow) streams.Flow {
	out.connect(f)
	return f
}

// To joins the port to a sink and waits for that to finish.
func (out outlet) To(s streams.Sink) {
	out.connect(s)
	s.AwaitCompletion()
}

// AwaitCompletion waits until the node has ended.
func (n *node) AwaitCompletion() { <-n.done }

// connect adds an edge from the port to an inlet.
func (out outlet) connect(to streams.Inlet) {
	if to, ok := to.(inlet); ok {
		o := out.outputs[out.port]
		o.edges = append(o.edges, to.In())
		return
	}
	out.transmit(to.In())
}

// transmit adds an edge from the port to a channel outside the run, and closes that at the end.
func (out outlet) transmit(values chan<- any) {
	n, o := out.node, out.outputs[out.port]
	if o.device {
		n.run.fail(fmt.Errorf("%s: output %q holds device memory and cannot leave the plan", n.id, o.port.Name))
	}
	queue := make(chan any)
	o.edges = append(o.edges, queue)
	go func() {
		defer close(values)
		for item := range queue {
			t := item.(*token)
			select {
			case values <- t.value:
			case <-n.run.ctx.Done():
			}
			n.drop(t)
		}
	}()
}

// receive takes the next item from a channel, unless the run is over.
func receive(ctx context.Context, from <-chan any) (item any, ok bool, err error) {
	select {
	case item, ok = <-from:
		return item, ok, nil
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
}

// send puts an item on a channel, unless the run is over.
func send(ctx context.Context, to chan<- any, item any) error {
	select {
	case to <- item:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
