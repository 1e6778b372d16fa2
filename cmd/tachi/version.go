package main

import (
	"fmt"
	goruntime "runtime"
	"runtime/debug"

	"github.com/seed49bbd0e6/tachi/kernels/cpu"
	"github.com/seed49bbd0e6/tachi/pipelines"
	"github.com/seed49bbd0e6/tachi/stages"
)

// commit is set by the Makefile; a plain go build finds it in the build information.
var commit string

// versionCmd says what this program is.
type versionCmd struct{}

// Run prints it.
func (versionCmd) Run(a *app) error {
	rev := commit
	if info, ok := debug.ReadBuildInfo(); ok && rev == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				rev = s.Value
			}
		}
	}
	if rev == "" {
		rev = "unknown"
	}
	dev, err := cpu.New(0)
	if err != nil {
		return err
	}
	defer dev.Close()
	if a.JSON {
		return writeJSON(a, map[string]any{"commit": rev, "go": goruntime.Version(), "devices": []any{dev.Info()}, "cuda": pipelines.CUDAState(), "video": stages.HasVideo})
	}
	_, err = fmt.Fprintf(a.out, "tachi %s, %s\n%s\n%s\nvideo: %v\n", rev, goruntime.Version(), pipelines.DeviceLine(dev), pipelines.CUDAState(), stages.HasVideo)
	return err
}
