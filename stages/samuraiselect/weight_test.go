package samuraiselect

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
)

func TestTheWeightOfMotionIsThatOfTheVariantUnlessGiven(t *testing.T) {
	for _, name := range sam2.VariantNames() {
		c, err := sam2.Variant(name)
		if err != nil {
			t.Fatal(err)
		}
		want := 0.25
		if strings.HasPrefix(name, "large") {
			want = 0.15
		}
		if got := weight(&Options{}, c); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if got := weight(&Options{KFWeight: new(0.5)}, c); got != 0.5 {
			t.Errorf("%s: %v, want the 0.5 given", name, got)
		}
	}
	if got := weight(&Options{}, sam2.Config{Name: "another"}); got != usualWeight {
		t.Errorf("a network without a name: %v", got)
	}
}

func TestTheDocumentationNamesTheWeightsThatAreUnusual(t *testing.T) {
	for _, o := range graph.Options(reflect.TypeFor[Options]()) {
		if o.Name != "kf_score_weight" {
			continue
		}
		for _, v := range sam2.Variants() {
			if says := fmt.Sprintf("%g for %s", v.KFWeight, v.Name); v.KFWeight != usualWeight && !strings.Contains(o.Doc, says) {
				t.Errorf("%q does not say %q", o.Doc, says)
			}
		}
		if says := fmt.Sprintf("%g for the others", usualWeight); !strings.Contains(o.Doc, says) {
			t.Errorf("%q does not say %q", o.Doc, says)
		}
		return
	}
	t.Error("there is no option kf_score_weight")
}
