package weights

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A saved object is {name: tensor}, or holds that under one key or several: {"model": ...,
// "optimizer": ...}. Of several dicts of tensors the one is taken that has most, unless one with a
// usual name has at least half as many.

// wrappers are the usual names, the best one first.
var wrappers = []string{"model", "state_dict", "model_state_dict", "module", "net", "network", "model_ema", "ema", "ema_state_dict"}

// maxWrappers bounds how deep wrappers are looked for.
const maxWrappers = 4

// candidate is a dict that holds tensors.
type candidate struct {
	path    string // its keys, joined by dots; empty for the object itself
	dict    *dict
	tensors int
	rank    int // in wrappers; the whole list's length for other names, more for a trainer's own
}

// candidates appends the dicts of tensors in d and below that were not seen yet: a dict may hold
// itself.
func candidates(all []candidate, seen map[*dict]bool, d *dict, path string, rank, depth int) []candidate {
	if seen[d] {
		return all
	}
	seen[d] = true
	n := 0
	for i, k := range d.keys {
		name, ok := k.(string)
		if !ok {
			continue
		}
		switch v := d.values[i].(type) {
		case *Tensor:
			n++
		case *dict:
			if depth >= maxWrappers {
				continue
			}
			inner := slices.Index(wrappers, name)
			if inner < 0 {
				inner = len(wrappers)
			}
			if strings.Contains(name, "optim") || rank > len(wrappers) {
				inner = len(wrappers) + 1
			}
			all = candidates(all, seen, v, strings.TrimPrefix(path+"."+name, "."), inner, depth+1)
		}
	}
	if n > 0 {
		all = append(all, candidate{path, d, n, rank})
	}
	return all
}

// choose returns the best candidate; ties go to the first. ok is false when there is none.
func choose(all []candidate) (best candidate, ok bool) {
	most := 0
	for _, c := range all {
		if c.rank <= len(wrappers) {
			most = max(most, c.tensors)
		}
	}
	fits := slices.DeleteFunc(slices.Clone(all), func(c candidate) bool { return 2*c.tensors < most })
	if len(fits) == 0 {
		return candidate{}, false
	}
	return slices.MinFunc(fits, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.tensors, a.tensors))
	}), true
}

// collect takes the named tensors out of the saved object.
func (r *torchReader) collect(top any) error {
	d, ok := top.(*dict)
	if !ok {
		if o, is := top.(*opaque); is {
			return o.refusal()
		}
		return fmt.Errorf("holds %s, not a dict of tensors", kindOf(top))
	}
	all := candidates(nil, map[*dict]bool{}, d, "", len(wrappers), 0)
	best, ok := choose(all)
	if !ok {
		return r.nothing(d)
	}
	var others []string
	for _, c := range all {
		if c.path != "" && c.dict != best.dict && 2*c.tensors >= best.tensors && c.rank <= len(wrappers) {
			others = append(others, fmt.Sprintf("%q", c.path))
		}
	}
	switch {
	case len(others) > 0:
		r.file.note("took the tensors under %q; there are others under %s", best.path, Some(others, 3))
	case best.path != "model" && best.path != "":
		r.file.note("took the tensors under %q", best.path)
	}
	skipped := 0
	for i, k := range best.dict.keys {
		name, named := k.(string)
		if !named {
			skipped++
			continue
		}
		var err error
		switch v := best.dict.values[i].(type) {
		case *Tensor:
			t := *v // one tensor may have several names
			t.Name = name
			err = r.file.add(&t)
		case foreign:
			err = r.file.addForeign(name, v.name)
		case *opaque:
			err = r.file.addForeign(name, v.name)
		case *dict: // another candidate, or settings
		default:
			skipped++
		}
		if err != nil {
			return err
		}
	}
	if skipped > 0 {
		r.file.note("%d values among the tensors are no tensors: not read", skipped)
	}
	return nil
}

// nothing says why no dict in the saved object holds tensors.
func (r *torchReader) nothing(d *dict) error {
	for i, k := range d.keys {
		if inner, isDict := d.values[i].(*dict); isDict && k == "model" {
			d = inner
			break
		}
	}
	for i, k := range d.keys {
		name, ok := k.(string)
		if !ok {
			return fmt.Errorf("%s where a tensor's name must be", kindOf(k))
		}
		switch v := d.values[i].(type) {
		case foreign:
			return fmt.Errorf("tensor %q: %s cannot hold weights: want Float, Half, BFloat16 or Double", name, v.name)
		case *opaque:
			if slices.Contains(wrappers, name) {
				return fmt.Errorf("%.80q is an object of %s, which is never constructed: load it with PyTorch and torch.save its state_dict()", name, v.name)
			}
			return fmt.Errorf("%.80q: %w", name, v.refusal())
		case *dict:
		default:
			return fmt.Errorf("%.80q is %s, not a tensor", name, kindOf(v))
		}
	}
	return errors.New("holds no tensors")
}
