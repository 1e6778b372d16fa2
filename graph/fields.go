package graph

import (
	"reflect"
	"strings"
	"time"
)

// field is one option of a stage, read from the tags of its options struct.
type field struct {
	Name     string
	Doc      string
	Default  string
	Enum     []string
	Required bool
	hasDef   bool
	index    []int // for reflect.Value.FieldByIndex
	typ      reflect.Type
}

// fields lists the options of a struct in its order; embedded structs are inlined.
func fields(t reflect.Type) []field {
	var out []field
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, ok := f.Tag.Lookup("toml")
		name, _, _ = strings.Cut(name, ",")
		switch {
		case !ok && f.Anonymous && f.Type.Kind() == reflect.Struct:
			for _, in := range fields(f.Type) {
				in.index = append([]int{i}, in.index...)
				out = append(out, in)
			}
			continue
		case !ok || name == "-" || name == "" || !f.IsExported():
			continue
		}
		o := field{Name: name, Doc: f.Tag.Get("doc"), Required: f.Tag.Get("required") == "true", index: []int{i}, typ: f.Type}
		o.Default, o.hasDef = f.Tag.Lookup("default")
		if e := f.Tag.Get("enum"); e != "" {
			o.Enum = strings.Split(e, ",")
		}
		out = append(out, o)
	}
	return out
}

var (
	pathType     = reflect.TypeFor[Path]()
	outPathType  = reflect.TypeFor[OutPath]()
	durationType = reflect.TypeFor[time.Duration]()
)

// typeText names what an option wants, e.g. "a number".
func typeText(t reflect.Type) string {
	switch {
	case t == pathType || t == outPathType:
		return "a path"
	case t == durationType:
		return `a duration such as "2s"`
	case t.Kind() == reflect.Pointer:
		return typeText(t.Elem())
	case t.Kind() == reflect.Slice:
		return "an array of " + strings.NewReplacer("an array of ", "arrays of ", "true or false", "booleans").Replace(manyText(t.Elem()))
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Map, reflect.Struct:
		return "a table"
	case reflect.Interface:
		return "any value"
	}
	return "an integer"
}

// manyText is typeText in the plural.
func manyText(t reflect.Type) string {
	s := typeText(t)
	if strings.HasPrefix(s, "an array of ") || s == "true or false" || t == durationType {
		return s
	}
	return strings.TrimPrefix(strings.TrimPrefix(s, "an "), "a ") + "s"
}

// typeWord names an option's type in one word or two, for tables: "number", "path", "number list".
func typeWord(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return typeWord(t.Elem())
	case t.Kind() == reflect.Slice:
		return typeWord(t.Elem()) + " list"
	case t == durationType:
		return "duration"
	case t.Kind() == reflect.Bool:
		return "bool"
	case t.Kind() == reflect.Interface:
		return "any"
	}
	s := typeText(t)
	return strings.TrimPrefix(strings.TrimPrefix(s, "an "), "a ")
}

// TypeName is the name that people read for a token type: *token.Image is "image", []x is "x list".
func TypeName(t reflect.Type) string {
	switch {
	case t == nil:
		return "nothing"
	case t.Kind() == reflect.Pointer:
		return TypeName(t.Elem())
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Array:
		return TypeName(t.Elem()) + " list"
	case t.Kind() == reflect.Interface && t.NumMethod() == 0:
		return "any token"
	case t.Name() != "":
		return strings.ToLower(t.Name())
	}
	return t.String()
}
