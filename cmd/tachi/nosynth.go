//go:build nomedia

package main

import "github.com/seed49bbd0e6/tachi/graph"

// synthCmd is not in this build.
type synthCmd struct{}

// Run says so.
func (synthCmd) Run(*app) error {
	return graph.Errorf(graph.BadConfig, "this build writes no video")
}
