package prompt

import "github.com/seed49bbd0e6/tachi/stages/internal/token"

// Empty reports whether no prompt was given.
func (o *Options) Empty() bool {
	return len(o.Box) == 0 && len(o.Points) == 0 && o.Mask == "" && o.Prompts == ""
}

// First makes a set of prompts that all stand on frame 0, ordered by object: for sources that know
// where things are.
func First(prompts []token.Prompt) *Set {
	s := &Set{}
	for _, p := range prompts {
		s.add(0, p, nil)
	}
	return s
}
