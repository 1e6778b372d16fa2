package sam2

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"

	"github.com/seed49bbd0e6/tachi/graph"
)

// A key is a path of tags through Config, so one walk over its type gives the whole list and one
// reflective setter serves all of them. Some keys of the reference's YAML repeat another one (the
// width of the model is written in eight places): those follow, unless they are set too, and Check
// finds where they were set to something else.

// Override returns the configuration with keys set by their dotted YAML names. Tables may be nested
// in the map. All mistakes are returned at once, as Problems; an unknown key comes with the nearest
// known one.
func (c Config) Override(keys map[string]any) (Config, error) {
	fields := map[string]reflect.Value{}
	walk(reflect.ValueOf(&c).Elem(), "", func(key string, v reflect.Value) { fields[key] = v })
	flat := map[string]any{}
	flatten(flat, "", keys)

	var errs Problems
	for _, key := range slices.Sorted(maps.Keys(flat)) {
		field, ok := fields[key]
		if !ok {
			errs.add(key, ": no such key%s", suggest(key, slices.Collect(maps.Keys(fields))))
			continue
		}
		if err := assign(field, flat[key]); err != nil {
			errs.add(key, ": %v", err)
		}
	}
	if len(errs) > 0 {
		return Config{}, errs
	}
	for _, f := range followers {
		if _, set := flat[f.key]; !set {
			fields[f.key].Set(reflect.ValueOf(f.value(c)))
		}
	}
	if err := c.Check(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// Keys returns every key that Override knows, sorted.
func Keys() []string {
	var keys []string
	walk(reflect.ValueOf(&Config{}).Elem(), "", func(key string, _ reflect.Value) { keys = append(keys, key) })
	slices.Sort(keys)
	return keys
}

// followers are the keys whose value is decided by others. Earlier ones may decide later ones.
var followers = []struct {
	key   string
	value func(c Config) any
}{
	{"image_encoder.neck.backbone_channel_list", func(c Config) any { return c.ImageEncoder.Trunk.channels() }},
	{"image_encoder.neck.position_encoding.num_pos_feats", func(c Config) any { return c.Dim() }},
	{"memory_attention.d_model", func(c Config) any { return c.Dim() }},
	{"memory_attention.layer.d_model", func(c Config) any { return c.Dim() }},
	{"memory_attention.layer.self_attention.embedding_dim", func(c Config) any { return c.Dim() }},
	{"memory_attention.layer.self_attention.kv_in_dim", func(c Config) any { return c.Dim() }},
	{"memory_attention.layer.cross_attention.embedding_dim", func(c Config) any { return c.Dim() }},
	{"memory_attention.layer.cross_attention.kv_in_dim", func(c Config) any { return c.MemDim() }},
	{"memory_encoder.position_encoding.num_pos_feats", func(c Config) any { return c.MemDim() }},
	{"memory_encoder.fuser.layer.dim", func(c Config) any { return c.Dim() }},
}

// walk visits the keyed fields below v.
func walk(v reflect.Value, prefix string, visit func(key string, v reflect.Value)) {
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("key")
		switch {
		case key == "":
		case v.Field(i).Kind() == reflect.Struct:
			walk(v.Field(i), prefix+key+".", visit)
		default:
			visit(prefix+key, v.Field(i))
		}
	}
}

// flatten copies nested tables under dotted keys.
func flatten(to map[string]any, prefix string, from map[string]any) {
	for k, v := range from {
		if table, ok := v.(map[string]any); ok {
			flatten(to, prefix+k+".", table)
		} else {
			to[prefix+k] = v
		}
	}
}

// assign sets a field from a decoded TOML, YAML or Go value.
func assign(field reflect.Value, v any) error {
	in := reflect.ValueOf(v)
	switch field.Kind() {
	case reflect.Bool, reflect.String:
		if in.IsValid() && in.Kind() == field.Kind() {
			field.Set(in.Convert(field.Type()))
			return nil
		}
	case reflect.Int:
		if f, ok := number(in); ok && f == math.Trunc(f) && math.Abs(f) < 1<<31 {
			field.SetInt(int64(f))
			return nil
		}
	case reflect.Float64:
		if f, ok := number(in); ok {
			field.SetFloat(f)
			return nil
		}
	case reflect.Slice:
		if !in.IsValid() || in.Kind() != reflect.Slice {
			break
		}
		list := make([]int, in.Len())
		for i := range list {
			elem := in.Index(i)
			if elem.Kind() == reflect.Interface {
				elem = elem.Elem()
			}
			f, ok := number(elem)
			if !ok || f != math.Trunc(f) || math.Abs(f) >= 1<<31 {
				return fmt.Errorf("%v is not a list of whole numbers", v)
			}
			list[i] = int(f)
		}
		field.Set(reflect.ValueOf(list))
		return nil
	}
	kinds := map[reflect.Kind]string{reflect.Bool: "true or false", reflect.String: "a string", reflect.Int: "a whole number",
		reflect.Float64: "a number", reflect.Slice: "a list of whole numbers"}
	return fmt.Errorf("%v is not %s", v, kinds[field.Kind()])
}

// number returns the value of any numeric kind.
func number(v reflect.Value) (float64, bool) {
	switch {
	case !v.IsValid():
		return 0, false
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanUint():
		return float64(v.Uint()), true
	case v.CanFloat():
		return v.Float(), !math.IsNaN(v.Float()) && !math.IsInf(v.Float(), 0)
	}
	return 0, false
}

// suggest returns `; did you mean "x"?` for the nearest known word, or nothing when none is near.
func suggest(word string, known []string) string {
	slices.Sort(known)
	if hint := graph.Suggest(word, known); hint != "" {
		return "; " + hint
	}
	return ""
}
