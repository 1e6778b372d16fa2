package describe

import (
	"encoding/json"
	"reflect"

	"github.com/BurntSushi/toml"

	"github.com/seed49bbd0e6/tachi/graph"
)

// Schema returns the JSON Schema (draft 7) of pipeline files that use a suite, for editors:
// completion, hover text and early errors. It says less than Load does: JSON Schema cannot express
// wiring.
func Schema(suite []*graph.Stage) ([]byte, error) {
	var kinds []any
	var names []string
	for _, s := range suite {
		names = append(names, s.Name)
		kinds = append(kinds, object{
			"if":   object{"properties": object{"stage": object{"const": s.Name}}, "required": []string{"stage"}},
			"then": stageSchema(s),
		})
	}
	auto := func(doc string) object {
		return object{"description": doc, "oneOf": []any{object{"const": "auto"}, object{"type": "integer", "minimum": 1}}, "default": "auto"}
	}
	return json.MarshalIndent(object{
		"$schema":              "http://json-schema.org/draft-07/schema#",
		"title":                "tachi pipeline",
		"type":                 "object",
		"additionalProperties": false,
		"properties": object{
			"extends": object{"type": "string", "description": "a pipeline file that this one changes, relative to this one"},
			"pipeline": object{"type": "object", "additionalProperties": false, "properties": object{
				"device": object{"type": "string", "pattern": graph.DeviceName.String(), "default": "auto", "description": "auto, cpu, cuda or cuda:N"},
				"batch":  auto("frames resident on the device at once: 8 up to 1280x720, 4 up to 1920x1080, 2 above"),
				"micro":  auto("frames that stages outside every feedback cycle launch at once; divides batch"),
				"precision": object{"enum": graph.Precisions, "default": "auto",
					"description": "what products multiply in, with sums in f32: auto is f16 on cuda, and f32 on the cpu, which has no other"},
				"threads": auto("CPU workers; the default honours the cgroup's quota"),
				"memory": object{"description": `device budget in bytes, or a size such as "2GiB"`, "default": "auto",
					"oneOf": []any{object{"type": "string"}, object{"type": "integer", "minimum": 1}}},
			}},
			"model": object{"type": "object", "additionalProperties": false, "properties": object{
				"variant": object{"type": "string", "description": "which SAM 2 network"},
				"weights": object{"type": "string", "description": `a checkpoint, relative to this file; or "embedded", the default`},
				"config":  object{"type": "object", "description": "keys of the reference's YAML, dotted"},
			}},
			"stages": object{"type": "object", "additionalProperties": object{
				"type":       "object",
				"properties": object{"stage": object{"enum": names}},
				"allOf":      kinds,
			}},
		},
	}, "", "  ")
}

type object = map[string]any

// stageSchema is the schema of a table whose stage is s.
func stageSchema(s *graph.Stage) object {
	inputs := object{}
	for _, p := range s.In {
		inputs[p.Name] = object{
			"description": p.Doc + " (" + graph.TypeName(p.Type) + ")",
			"oneOf": []any{
				object{"type": "string", "pattern": `^[^.]+\.[^.]+$`},
				object{"type": "object", "additionalProperties": false, "required": []string{"from"}, "properties": object{
					"from":     object{"type": "string"},
					"delay":    object{"enum": []int{0, 1}},
					"capacity": object{"type": "integer", "minimum": 1},
				}},
			},
		}
	}
	properties := object{
		"stage":  object{"const": s.Name, "description": s.Doc},
		"inputs": object{"type": "object", "additionalProperties": false, "properties": inputs},
	}
	for _, f := range graph.Options(s.Options) {
		properties[f.Name] = optionSchema(f)
	}
	return object{"additionalProperties": false, "properties": properties}
}

// optionSchema is the schema of one option.
func optionSchema(f graph.Option) object {
	o := typeSchema(f.Type, f.Enum)
	o["description"] = f.Doc
	if f.HasDefault {
		o["default"] = f.Default
		var m map[string]any
		if _, err := toml.Decode("v = "+f.Default, &m); err == nil && o["type"] != "string" {
			o["default"] = m["v"]
		}
	}
	return o
}

// typeSchema is the schema of a Go type.
func typeSchema(t reflect.Type, enum []string) object {
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem(), enum)
	case reflect.Slice:
		return object{"type": "array", "items": typeSchema(t.Elem(), enum)}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Struct, reflect.Map:
		return object{"type": "object"}
	case reflect.Interface:
		return object{}
	case reflect.String:
		if len(enum) > 0 {
			return object{"type": "string", "enum": enum}
		}
		return object{"type": "string"}
	}
	if t == graph.DurationType {
		return object{"type": "string"}
	}
	return object{"type": "integer"}
}
