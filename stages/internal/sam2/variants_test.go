package sam2

import "testing"

func TestEveryVariantOfTheTableIsComplete(t *testing.T) {
	for i, v := range Variants() {
		c, err := Variant(v.Name)
		if err != nil {
			t.Fatal(err)
		}
		if v.License == "" || v.KFWeight <= 0 || v.Embedded() == v.Old || c.Name != v.Name {
			t.Errorf("%+v", v)
		}
		if got := FindVariant(v.Name + old); v.Old != (got != nil && got.Name == v.Name) {
			t.Errorf("%s%s is %v", v.Name, old, got)
		}
		if i > 0 && v.Parameters() <= variants[i-1].Parameters() {
			t.Errorf("%s is not larger than %s", v.Name, variants[i-1].Name)
		}
	}
	large := FindVariant("large")
	if large.KFWeight != 0.15 || large.Parameters() != 224_446_642+256 || large.Bytes() != 4*large.Parameters() {
		t.Errorf("large: weight %v, %d parameters, %d bytes", large.KFWeight, large.Parameters(), large.Bytes())
	}
	if nano := FindVariant("nano"); !nano.Embedded() || nano.Bytes() != 2*nano.Parameters() {
		t.Errorf("nano: %+v", nano)
	}
	if FindVariant("nano"+old) != nil || FindVariant("medium") != nil {
		t.Error("a variant is found that there is not")
	}
}
