package main

import (
	"reflect"

	"github.com/seed49bbd0e6/tachi/graph"
)

// outputs lists the output paths of a plan's options.
func outputs(plan *graph.Plan) (paths []string) {
	for _, n := range plan.Nodes {
		v := reflect.ValueOf(n.Options).Elem()
		for i := range v.NumField() {
			if p, ok := v.Field(i).Interface().(graph.OutPath); ok && p != "" {
				paths = append(paths, string(p))
			}
		}
	}
	return paths
}
