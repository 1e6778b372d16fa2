package sam2

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/seed49bbd0e6/tachi/kernels/weights"
)

// Trainers wrap a network before they save it, and every wrapper adds its name: "module." of data
// parallelism, "_orig_mod." of torch.compile, "model." of the class around it. Others rename a part
// of it. Here the names become those of the network again, and the file's notes say how.

// within are parts of names that wrappers add around any module, not only around the whole network.
var within = []string{"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."}

// renamed are tensors that come under a second name: libraries that rename every "gamma" take this
// one along.
var renamed = []struct{ from, to string }{
	{"memory_encoder.fuser.layers.#.weight", "memory_encoder.fuser.layers.#.gamma"},
	{"memory_encoder.memory_fuser.layers.#.weight", "memory_encoder.memory_fuser.layers.#.scale"},
	{"memory_encoder.memory_fuser.layers.#.gamma", "memory_encoder.memory_fuser.layers.#.scale"},
}

// known are the names of all variants, official and of Hugging Face.
var known = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{tiedEmbedding: true}
	for _, v := range published() {
		for _, s := range v.specs {
			hf, _ := huggingFace(s.Name)
			all[s.Name], all[hf] = true, true
		}
	}
	return all
})

// allNames returns the names of all tensors of a file, also of those that cannot be read.
func allNames(f *weights.File) []string {
	names := f.Names()
	for n := range f.Foreign() {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// adapt returns a view of a file in which its tensors have the network's names.
func adapt(f *weights.File) (*weights.File, error) {
	names := allNames(f)
	to := make(map[string]string, len(names)) // new names by old ones
	for _, n := range names {
		to[n] = n
	}
	var notes []string
	for _, part := range within {
		n := 0
		for old, name := range to {
			if strings.Contains(name, part) {
				to[old] = strings.ReplaceAll(name, part, "")
				n++
			}
		}
		if n > 0 {
			notes = append(notes, fmt.Sprintf("took %q out of %d names", part, n))
		}
	}
	prefix, copies := prefixes(names, to)
	if prefix != "" {
		n := 0
		for old, name := range to {
			if rest, ok := strings.CutPrefix(name, prefix); ok {
				to[old] = rest
				n++
			}
		}
		notes = append(notes, fmt.Sprintf("took the prefix %q off %d names", prefix, n))
	}
	for _, other := range copies {
		for old, name := range to {
			if strings.HasPrefix(name, other) {
				to[old] = "" // left out
			}
		}
		notes = append(notes, fmt.Sprintf("there is another network under %q: not read", other))
	}
	taken := map[string]bool{}
	for _, name := range to {
		taken[name] = true
	}
	for _, r := range renamed {
		n := 0
		for old, name := range to {
			if right, ok := translate(name, r.from, r.to); ok && !taken[right] {
				to[old], taken[right] = right, true
				n++
			}
		}
		if n > 0 {
			notes = append(notes, fmt.Sprintf("%d tensors renamed: %s is %s", n, r.from, r.to))
		}
	}
	view, err := f.Renamed(func(name string) string { return to[name] })
	if err != nil {
		return nil, err
	}
	wide := 0
	for _, n := range view.Names() {
		if t, _ := view.Lookup(n); t.Wide && known()[n] {
			wide++
		}
	}
	if wide > 0 {
		notes = append(notes, fmt.Sprintf("%d tensors are f64, rounded to f32", wide))
	}
	view.Notes = append(slices.Clone(f.Notes), notes...)
	return view, nil
}

// maxWrapped is how many parts a prefix may have.
const maxWrapped = 16

// starts yields where the first parts of a name begin.
func starts(name string) iter.Seq[int] {
	return func(yield func(int) bool) {
		at := 0
		for range maxWrapped {
			if !yield(at) {
				return
			}
			dot := strings.IndexByte(name[at:], '.')
			if dot < 0 {
				return
			}
			at += dot + 1
		}
	}
}

// prefixes returns the prefix that leaves the most known names when it is taken off, and other
// prefixes that leave as good as all of them too: those of a second copy.
func prefixes(names []string, to map[string]string) (best string, copies []string) {
	count := map[string]int{}
	for _, old := range names {
		name := to[old]
		for at := range starts(name) {
			if known()[name[at:]] {
				count[name[:at]]++
				break
			}
		}
	}
	var all []string
	for p, n := range count {
		if n > 2 {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return "", nil
	}
	averaged := func(p string) int {
		if strings.Contains(p, "ema") || strings.Contains(p, "teacher") {
			return 1
		}
		return 0
	}
	most := 0
	for _, p := range all {
		most = max(most, count[p])
	}
	all = slices.DeleteFunc(all, func(p string) bool { return 10*count[p] < 9*most })
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(cmp.Compare(averaged(a), averaged(b)), cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	for _, p := range all[1:] {
		if p != "" && !strings.HasPrefix(all[0], p) {
			copies = append(copies, p)
		}
	}
	return all[0], copies
}
