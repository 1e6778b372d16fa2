package graph

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// Identity is all that the results of a plan depend on, by key as in its file: the stages, their
// options and how they are joined, and the model's configuration. How many frames are worked on at
// once, by whom and in how much memory is no part of it. Two plans of one identity give the same
// results on the same input and weights.
func (p *Plan) Identity() map[string]string {
	id := map[string]string{"model.variant": p.Model.Variant}
	text := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(data)
	}
	for k, v := range p.Model.Config {
		id["model.config."+k] = text(v)
	}
	for _, n := range p.Nodes {
		key := "stages." + n.ID + "."
		id[key+"stage"] = n.Stage.Name
		options := reflect.Indirect(reflect.ValueOf(n.Options))
		for _, f := range Options(n.Stage.Options) {
			id[key+f.Name] = text(options.FieldByIndex(f.Index).Interface())
		}
		for _, e := range n.In {
			if e != nil {
				id[key+"inputs."+e.Input().Name] = fmt.Sprintf("%s, delay %d", e.Source(), e.Delay)
			}
		}
	}
	return id
}
