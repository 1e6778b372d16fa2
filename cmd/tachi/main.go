// Command tachi tracks objects through video with SAM 2.1 and SAMURAI, as a pipeline that a TOML
// file declares.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"
	"golang.org/x/term"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/model"
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

	Track    trackCmd    `cmd:"" help:"Track an object through a video: run samurai -i VIDEO."`
	Run      runCmd      `cmd:"" help:"Run a pipeline."`
	Validate validateCmd `cmd:"" help:"Check pipeline files and say what is wrong."`
	Plan     planCmd     `cmd:"" help:"Say how much device memory a pipeline will take, before it runs."`
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
	begun *atomic.Bool    // whether there is anything to finish then
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
		variables(),
		kong.KindMapper(reflect.String, kong.MapperFunc(asTyped)),
		kong.Exit(func(int) { exited = true })) // --help
	if err != nil {
		fmt.Fprintln(stderr, "tachi:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(joinNegative(args))
	if exited {
		return exitDone
	}
	a := &app{cli: &c, ctx: context.Background(), out: stdout, err: stderr}
	if err != nil {
		c.JSON = slices.Contains(args, "--json") // flags are set only when all is parsed
		a.report(usagef("%w (%s --help)", err, verb(err)))
		return exitUsage
	}
	a.log = logger(&c, stderr)
	if err = cmp.Or(empty(k), twice(k)); err == nil {
		err = k.Run(a)
	}
	if err != nil {
		if _, said := errors.AsType[reported](err); !said {
			a.report(err)
		}
		code = exitCode(err)
	}
	return code
}

// variables are texts of the help that follow from what there is.
func variables() kong.Vars { return kong.Vars{"variants": model.VariantHelp()} }

// joinNegative writes --box -9,4,5,5 as --box=-9,4,5,5, which the parser would take for a flag.
func joinNegative(args []string) (out []string) {
	negative := regexp.MustCompile(`^-[0-9.]`)
	for i, arg := range args {
		if i > 0 && negative.MatchString(arg) && strings.HasPrefix(args[i-1], "--") && !strings.Contains(args[i-1], "=") {
			out[len(out)-1] += "=" + arg
		} else {
			out = append(out, arg)
		}
	}
	return out
}

// asTyped keeps the bytes of a flag: a file name need not be UTF-8. Kong itself replaces what is
// not.
func asTyped(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("string")
	if err != nil {
		return err
	}
	target.SetString(token.String())
	return nil
}

// empty refuses flags and arguments that are given as nothing, as a shell makes of a variable that
// is not set.
func empty(k *kong.Context) error {
	for _, p := range k.Path {
		value := p.Positional
		if p.Flag != nil {
			value = p.Flag.Value
		}
		if value != nil && value.Target.Kind() == reflect.String && value.Target.String() == "" {
			return usagef("%s is empty (%s --help)", value.ShortSummary(), k.Selected().FullPath())
		}
	}
	return nil
}

// twice refuses a flag that is given again where only one value counts: the others would be lost
// without a word.
func twice(k *kong.Context) error {
	seen := map[string]bool{}
	for _, p := range k.Path {
		if p.Flag == nil || p.Flag.IsSlice() || p.Flag.IsMap() || p.Flag.IsBool() {
			continue
		}
		if seen[p.Flag.Name] {
			hint := ""
			if p.Flag.Name == "box" || p.Flag.Name == "mask" {
				hint = "; several objects: --prompts file.json"
			}
			return usagef("--%s is given twice%s (%s --help)", p.Flag.Name, hint, k.Selected().FullPath())
		}
		seen[p.Flag.Name] = true
	}
	return nil
}

// verb is the command that a parse error is about, as far as it was understood.
func verb(err error) string {
	if p, ok := errors.AsType[*kong.ParseError](err); ok && p.Context != nil && p.Context.Selected() != nil {
		return p.Context.Selected().FullPath()
	}
	return "tachi"
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

// errInterrupted is the end of a run that somebody asked for.
var errInterrupted = errors.New("interrupted")

// interruptible prepares for a run: the first interrupt closes a.drain, so that frames in flight
// are finished, the second ends a.ctx. What does not end then, such as a source that waits for a
// silent pipe, is left behind after a moment, or at the third. Verbs that do not call it end at
// once, as any program does.
func (a *app) interruptible() {
	ctx, stop := context.WithCancel(a.ctx)
	drain := make(chan struct{})
	a.ctx, a.drain, a.begun = ctx, drain, &atomic.Bool{}
	a.begun.Store(true)
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		if !a.begun.Load() { // no frame is in flight, and no file is begun
			a.log.Warn().Msg("interrupted before the first frame")
			os.Exit(exitInterrupted)
		}
		a.log.Warn().Msg("finishing the frames in flight; interrupt again to stop now")
		close(drain)
		<-signals
		stop()
		select {
		case <-signals:
		case <-time.After(patience):
		}
		a.log.Warn().Msg("stopped without waiting for what still hangs")
		os.Exit(exitInterrupted)
	}()
}

// patience is how long a run may take to end after the second interrupt.
const patience = 2 * time.Second

// whole returns a context for work that leaves nothing worth keeping when it is cut short: it ends
// at the first interrupt.
func (a *app) whole() (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(a.ctx)
	go func() {
		select {
		case <-a.drain:
			stop()
		case <-ctx.Done():
		}
	}()
	return ctx, stop
}

// usagef makes an error for a mistake on the command line.
func usagef(format string, args ...any) error { return graph.Errorf(graph.BadUsage, format, args...) }

// reported is an error that has been printed already.
type reported struct{ error }

func (r reported) Unwrap() error { return r.error }

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
		e := json.NewEncoder(a.err)
		e.SetEscapeHTML(false)
		_ = e.Encode(map[string]any{"message": err.Error(), "exit": exitCode(err)})
		return
	}
	fmt.Fprintf(a.err, "tachi: error: %v\n", err)
}

func exitCode(err error) int {
	if _, ok := errors.AsType[graph.Diagnostics](err); ok {
		return exitBadConfig
	}
	if errors.Is(err, errInterrupted) || errors.Is(err, graph.ErrDrained) || errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	switch graph.KindOf(err) {
	case graph.BadData, graph.Incomplete:
		return exitBadData
	case graph.BadUsage:
		return exitUsage
	case graph.BadOutput:
		return exitBadOutput
	case graph.BadConfig:
		return exitBadConfig
	}
	return exitFailed
}

// writeJSON prints a value, indented on a terminal.
func writeJSON(a *app, v any) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	if isTerminal(a.out) {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
