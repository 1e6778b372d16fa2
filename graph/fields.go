package graph

import (
	"reflect"
	"strings"
	"time"
)

// Option is one option of a stage, read from the tags of its options struct.
type Option struct {
	Name       string
	Doc        string
	Default    string
	Enum       []string
	Required   bool
	HasDefault bool
	Index      []int // for reflect.Value.FieldByIndex
	Type       reflect.Type
}

// Enum is a type of options, a string, that lists its values: for values that stand in a table, in
// place of the enum tag.
type Enum interface{ Enum() []string }

// Options lists the options of a struct in its order; embedded structs are inlined.
func Options(t reflect.Type) []Option {
	var out []Option
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, ok := f.Tag.Lookup("toml")
		name, _, _ = strings.Cut(name, ",")
		switch {
		case !ok && f.Anonymous && f.Type.Kind() == reflect.Struct:
			for _, in := range Options(f.Type) {
				in.Index = append([]int{i}, in.Index...)
				out = append(out, in)
			}
			continue
		case !ok || name == "-" || name == "" || !f.IsExported():
			continue
		}
		o := Option{Name: name, Doc: f.Tag.Get("doc"), Required: f.Tag.Get("required") == "true", Index: []int{i}, Type: f.Type}
		o.Default, o.HasDefault = f.Tag.Lookup("default")
		if e := f.Tag.Get("enum"); e != "" {
			o.Enum = strings.Split(e, ",")
		} else if e, ok := reflect.Zero(f.Type).Interface().(Enum); ok {
			o.Enum = e.Enum()
		}
		out = append(out, o)
	}
	return out
}

var (
	PathType     = reflect.TypeFor[Path]()
	OutPathType  = reflect.TypeFor[OutPath]()
	DurationType = reflect.TypeFor[time.Duration]()
)

// TypeText names what an option wants, e.g. "a number".
func TypeText(t reflect.Type) string {
	switch {
	case t == PathType || t == OutPathType:
		return "a path"
	case t == DurationType:
		return `a duration such as "2s"`
	case t.Kind() == reflect.Pointer:
		return TypeText(t.Elem())
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
	s := TypeText(t)
	if strings.HasPrefix(s, "an array of ") || s == "true or false" || t == DurationType {
		return s
	}
	return strings.TrimPrefix(strings.TrimPrefix(s, "an "), "a ") + "s"
}

// TypeWord names an option's type in one word or two, for tables: "number", "path", "number list".
func TypeWord(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return TypeWord(t.Elem())
	case t.Kind() == reflect.Slice:
		return TypeWord(t.Elem()) + " list"
	case t == DurationType:
		return "duration"
	case t.Kind() == reflect.Bool:
		return "bool"
	case t.Kind() == reflect.Interface:
		return "any"
	}
	s := TypeText(t)
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
