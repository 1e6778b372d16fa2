package main

// trackCmd is the short form of run samurai -i VIDEO.
type trackCmd struct {
	Video    []string `arg:"" help:"Videos, or folders of videos; '-' reads standard input."`
	Pipeline string   `default:"samurai" placeholder:"NAME" help:"Pipeline file, or the name of one in this program."`
	overrideFlags
	runFlags
}

// Run runs the pipeline on the videos.
func (c *trackCmd) Run(a *app) error {
	run := runCmd{pipelineFlags{File: c.Pipeline, Input: c.Video, overrideFlags: c.overrideFlags}, c.runFlags}
	return run.Run(a)
}
