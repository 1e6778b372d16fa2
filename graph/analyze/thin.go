package analyze

import "github.com/seed49bbd0e6/tachi/graph"

// Every prompt is a memory that is kept and attended to, so the device memory of a plan grows with
// the prompts, and a dry run through thousands of them takes as long as it takes to add them up one
// by one. It need not: beyond the first few, each prompt adds the same. Where there are many, the
// plan is run dry on three thinned sets of prompts, in which one object has ever more of them and
// the others one of each kind, and the rest is a straight line:
//
//	results    grow with the prompts of all objects, whosever they are
//	workspace  and scratch grow with the prompts of the object that has most: objects are worked on one after the other
//
// If the three runs do not lie on lines, the whole is run.

const (
	fewPrompts = 1000 // are run dry one by one
	thinStep   = 16   // prompts between two runs: so many that sizes are rounded up alike
	thinTop    = 128  // prompts of the third run, and what Most leaves over of thinStep
	thinLeast  = 24   // prompts of the first run: memories are full, and attention is what takes most
)

// levels returns how many prompts the one object has in the three runs, nil when all are to be run
// dry one by one.
func levels(p graph.Prompts) []int {
	top := min(p.Most, thinTop+p.Most%thinStep)
	if p.Most+p.Others <= fewPrompts || top-2*thinStep < thinLeast {
		return nil
	}
	return []int{top - 2*thinStep, top - thinStep, top}
}

// MeasureAll is Measure for any number of prompts. scratch returns the most memory that the device
// has needed so far beside what the stages hold.
func MeasureAll(p *graph.Plan, d Dry, scratch func() int) ([]*Footprint, int, error) {
	var runs [][]*Footprint
	var beside []int
	for _, n := range levels(d.Probe.Prompts) {
		d.Probe.Thin = n
		footprints, err := Measure(p, d)
		if err != nil {
			return nil, 0, err
		}
		runs, beside = append(runs, footprints), append(beside, scratch())
	}
	if runs != nil {
		if footprints, most, ok := extend(runs, beside, d.Probe.Prompts); ok {
			return footprints, most, nil
		}
	}
	d.Probe.Thin = 0
	footprints, err := Measure(p, d)
	return footprints, scratch(), err
}

// extend draws the lines through three runs out to all prompts, and reports whether they are lines.
func extend(runs [][]*Footprint, scratch []int, p graph.Prompts) (footprints []*Footprint, most int, ok bool) {
	levels := levels(p)
	one := p.Most - levels[2]      // prompts that the object has more than in the third run
	all := one + p.Others - p.Kept // and all objects together
	ok = true
	line := func(a, b, c, more int) int {
		slope := c - b
		if slope != b-a || slope < 0 || slope*more%thinStep != 0 {
			ok = false
		}
		return c + slope*more/thinStep
	}
	for i, c := range runs[2] {
		a, b := runs[0][i], runs[1][i]
		f := *c
		f.Need.Work = line(a.Need.Work, b.Need.Work, c.Need.Work, one)
		f.Need.Results = map[int]int{}
		for size, count := range c.Need.Results {
			f.Need.Results[size] = line(a.Need.Results[size], b.Need.Results[size], count, all)
		}
		f.Token = make([]int, len(c.Token))
		for port := range c.Token {
			f.Token[port] = line(a.Token[port], b.Token[port], c.Token[port], all)
		}
		footprints = append(footprints, &f)
	}
	return footprints, line(scratch[0], scratch[1], scratch[2], one), ok
}
