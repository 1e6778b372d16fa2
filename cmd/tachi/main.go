// Command tachi tracks objects through video with SAM 2.1 and SAMURAI, as a pipeline that a TOML file declares.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
)

// Exit codes, after sysexits.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 64
	exitBadData     = 65
	exitBadOutput   = 73
	exitBadConfig   = 78
	exitInterrupted = 130
)

// cli is the command line.
type cli struct {
	JSON  bool `help:"Messages and results as JSON, one object per line."`
	Quiet bool `short:"q" help:"No progress and no summary."`

	Run      runCmd      `cmd:"" help:"Run a pipeline."`
	Validate validateCmd `cmd:"" help:"Check pipeline files and say what is wrong."`
	Graph    graphCmd    `cmd:"" help:"Draw a pipeline."`
	Stages   stagesCmd   `cmd:"" help:"List the stages."`
	Inspect  inspectCmd  `cmd:"" help:"Describe one stage: ports, options, an example."`
	Schema   schemaCmd   `cmd:"" help:"Print the JSON Schema of pipeline files."`
	Bench    benchCmd    `cmd:"" help:"Measure the throughput of a pipeline, or of one of its stages."`
	Model    modelCmd    `cmd:"" help:"Look at weights, or make random ones."`
	Frame    frameCmd    `cmd:"" help:"Write one frame of a video as PNG, with a box drawn, to find an object."`
	Synth    synthCmd    `cmd:"" help:"Write made-up video with ground truth, for training, tests and demos."`
	Eval     evalCmd     `cmd:"" help:"Score masks and boxes against the truth, or pipelines on made-up video."`
	Version  versionCmd  `cmd:"" help:"Print version, devices and features."`
}

// app is what every verb gets.
type app struct {
	*cli
	ctx   context.Context // ends at the second interrupt
	drain <-chan struct{} // closes at the first
	out   io.Writer
	err   io.Writer
	log   zerolog.Logger
}

func main() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) }

// Main runs one command line and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	var c cli
	exited, code := false, exitDone
	parser, err := kong.New(&c, kong.Name("tachi"), kong.UsageOnError(), kong.Writers(stdout, stderr),
		kong.Description("Tracks objects through video with SAM 2.1 and SAMURAI, from one program."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Exit(func(int) { exited = true })) // --help
	if err != nil {
		fmt.Fprintln(stderr, "tachi:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exited {
		return exitDone
	}
	if err != nil {
		fmt.Fprintf(stderr, "tachi: %v (tachi --help shows the verbs)\n", err)
		return exitUsage
	}

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	a := &app{cli: &c, ctx: ctx, out: stdout, err: stderr, log: logger(&c, stderr)}
	a.drain = interrupts(a, stop)
	if err := k.Run(a); err != nil {
		a.report(err)
		code = exitCode(err)
	}
	return code
}

// logger writes for people on a terminal and JSON with --json.
func logger(c *cli, w io.Writer) zerolog.Logger {
	if !c.JSON {
		w = zerolog.ConsoleWriter{Out: w, NoColor: !isTerminal(w), PartsExclude: []string{zerolog.TimestampFieldName}}
	}
	level := zerolog.InfoLevel
	if c.Quiet {
		level = zerolog.WarnLevel
	}
	return zerolog.New(w).Level(level)
}

// interrupts closes the returned channel at the first interrupt, so that a run finishes what is in flight, and stops
// everything at the second.
func interrupts(a *app, stop func()) <-chan struct{} {
	drain := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		a.log.Warn().Msg("finishing the frames in flight; interrupt again to stop now")
		close(drain)
		<-signals
		stop()
	}()
	return drain
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// report prints an error, once and whole.
func (a *app) report(err error) {
	if list, ok := errors.AsType[graph.Diagnostics](err); ok {
		if a.JSON {
			_ = list.WriteJSON(a.err)
		} else {
			fmt.Fprintln(a.err, list)
		}
		return
	}
	if a.JSON {
		_ = json.NewEncoder(a.err).Encode(map[string]any{"message": err.Error(), "exit": exitCode(err)})
		return
	}
	fmt.Fprintf(a.err, "tachi: error: %v\n", err)
}

func exitCode(err error) int {
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[graph.Diagnostics](err); ok {
		return exitBadConfig
	}
	if errors.Is(err, graph.ErrDrained) || errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	switch graph.KindOf(err) {
	case graph.BadData, graph.Incomplete:
		return exitBadData
	case graph.BadOutput:
		return exitBadOutput
	case graph.BadConfig:
		return exitBadConfig
	}
	return exitFailed
}
