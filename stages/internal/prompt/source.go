package prompt

import (
	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/token"
)

// What every source does with its prompts: it counts them when it is asked what will come, and
// reads them when it opens, against the size and the length of its stream.

// ForSource reads the prompts of a source and sets the stream's objects. What is odd about the
// prompts is logged. Without prompts and without a network there is nothing to prompt, and the set
// is nil.
func ForSource(env *graph.Env, o *Options, stream *token.Stream) (*Set, error) {
	if o.Empty() && env.Model == nil {
		return nil, nil
	}
	set, warnings, err := o.Load(stream.Width, stream.Height)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		env.Log.Warn().Msg(w)
	}
	if n := stream.Frames; n > 0 {
		if err := set.EndsBefore(n, stream.ID); err != nil {
			return nil, err
		}
	}
	stream.Objects = set.Objects()
	return set, nil
}

// EndsBefore returns an error when a prompt names a frame that a stream of n frames does not have.
func (s *Set) EndsBefore(n int, stream string) error {
	if s.Last() >= n {
		return graph.Errorf(graph.BadData, "%s: a prompt names frame %d, but there are %d", stream, s.Last(), n)
	}
	return nil
}

// Tally returns how many objects are prompted and how often, for frames of a size. What is wrong
// with the prompts is told when the source opens; until then they are taken for one object.
func (o *Options) Tally(width, height int) (objects int, prompts graph.Prompts) {
	if o.Empty() {
		return 0, prompts
	}
	set, _, err := o.Load(width, height)
	if err != nil {
		return 1, prompts
	}
	return len(set.Objects()), set.Count()
}
