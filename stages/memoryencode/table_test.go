package memoryencode

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
)

func TestTheTableOfPoliciesIsTheOptionTheDocumentationAndTheConstructor(t *testing.T) {
	var names []string
	for _, p := range policies {
		names = append(names, string(p.name))
		if !strings.Contains(Stage.Doc, string(p.name)+" ("+p.doc+")") {
			t.Errorf("the stage's documentation does not say what %s does: %s", p.name, Stage.Doc)
		}
		if k := newKeeper(&Options{Policy: p.name}, published(t)); k.policy == nil {
			t.Errorf("%s makes no policy", p.name)
		}
	}
	options := graph.Options(Stage.Options)
	i := slices.IndexFunc(options, func(o graph.Option) bool { return o.Name == "policy" })
	if !slices.Equal(options[i].Enum, names) || !slices.Contains(names, options[i].Default) {
		t.Errorf("the option lists %v, default %s; the table has %v", options[i].Enum, options[i].Default, names)
	}
}
