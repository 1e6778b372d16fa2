//go:build nomedia

package frame

import "github.com/seed49bbd0e6/tachi/graph"

// videoSource returns nil.
func videoSource(string) (*graph.Stage, any) { return nil, nil }
