package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/infile"
	"github.com/seed49bbd0e6/tachi/pipelines"
	"github.com/seed49bbd0e6/tachi/runtime"
	"github.com/seed49bbd0e6/tachi/stages/prompts"
)

// Several videos in one run: the model is loaded once, each video has a plan, a stream and outputs
// of its own, and nothing that is remembered of one can reach another, because what is remembered
// are tokens of its stream. A video that fails is told and left, and the others go on; the exit
// code is that of the worst.

// video is one of several inputs.
type video struct {
	path string
	name string // of the folder for its outputs
}

// extensions are what a folder of videos is searched for.
var extensions = []string{".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".mpeg", ".y4m"}

// videos lists what -i names: files, and the videos in folders where the source reads single files.
// nil is one input or none, for an ordinary run.
func (c *runCmd) videos() ([]video, error) {
	flags := c.pipelineFlags
	flags.Input = flags.Input[:min(len(flags.Input), 1)]
	plan, err := flags.load()
	if err != nil {
		return nil, err
	}
	var all []video
	folders := false
	for _, in := range c.Input {
		info, err := os.Stat(in)
		if err != nil || !info.IsDir() || plan.Graph.Source().Stage.Name == "images" {
			all = append(all, video{path: in})
			continue
		}
		folders = true
		entries, err := os.ReadDir(in)
		if err != nil {
			return nil, &graph.Error{Kind: graph.BadData, Err: err}
		}
		found := false
		for _, e := range entries {
			if slices.Contains(extensions, strings.ToLower(filepath.Ext(e.Name()))) && !e.IsDir() {
				all, found = append(all, video{path: filepath.Join(in, e.Name())}), true
			}
		}
		if !found {
			return nil, graph.Errorf(graph.BadData, "%s: no video in this folder (of %s); a folder of pictures is for a pipeline with the images stage", in, strings.Join(extensions, " "))
		}
	}
	if len(all) < 2 && !folders {
		if c.Boxes != "" {
			return nil, usagef("--boxes is for several videos: give --box")
		}
		return nil, nil
	}
	seen := map[string]string{}
	for i := range all {
		v := &all[i]
		v.name = strings.TrimSuffix(filepath.Base(v.path), filepath.Ext(v.path))
		if other, ok := seen[v.name]; ok {
			return nil, usagef("-i: %s and %s would both write to the folder %s: rename one, or run them one by one", other, v.path, v.name)
		}
		seen[v.name] = v.path
	}
	return all, nil
}

// of returns the flags for one of several videos: its path, its prompts and its folder of outputs.
func (f pipelineFlags) of(v video, boxes string) (pipelineFlags, error) {
	f.Input = []string{v.path}
	f.Out = filepath.Join(cmp.Or(f.Out, "."), v.name)
	if boxes == "" {
		return f, nil
	}
	stem := filepath.Join(boxes, v.name)
	if _, err := os.Stat(stem + ".json"); err == nil {
		f.Prompts = stem + ".json"
		return f, nil
	}
	path := stem + ".txt"
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return f, graph.Errorf(graph.BadData, "%s: no such file or directory (the box of its first frame, x,y,w,h; or %s.json with prompts)", path, v.name)
	}
	data, err := infile.ReadFile(path, 1<<20)
	if err != nil {
		return f, err
	}
	if data, err = infile.Text(data); err != nil {
		return f, graph.Errorf(graph.BadData, "%s: %w", path, err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	f.Box = strings.Join(strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r,", r) }), ",")
	if f.Box == "" {
		return f, graph.Errorf(graph.BadData, "%s: is empty: want the box of its first frame, x,y,w,h", path)
	}
	if _, err := prompts.ParseBox(f.Box); err != nil {
		return f, graph.Errorf(graph.BadData, "%s:1: %w", path, err)
	}
	return f, nil
}

// many runs the pipeline on each video, Jobs at a time.
func (c *runCmd) many(a *app, all []video) error {
	if c.Trace != "" || c.CheckpointEvery > 0 || c.Resume {
		return usagef("--trace, --checkpoint-every and --resume are of one video: give one -i")
	}
	a.interruptible()
	shared := &sharedModel{a: a}
	defer shared.close()
	var mu sync.Mutex
	var worst error
	failed, next := 0, 0
	one := func(v video) {
		frames, err := c.oneOf(a, v, shared)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil && !a.Quiet && !a.JSON:
			fmt.Fprintf(a.out, "%s: %d frames\n", v.path, frames)
		case err == nil && a.JSON:
			_ = writeJSON(a, map[string]any{"video": v.path, "frames": frames})
		case err != nil:
			failed++
			a.report(fmt.Errorf("%s: %w", v.path, err))
			if worst == nil || exitCode(err) > exitCode(worst) {
				worst = err
			}
		}
	}
	var group sync.WaitGroup
	for range min(max(c.Jobs, 1), len(all)) {
		group.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(all) || closed(a.drain) {
					return
				}
				one(all[i])
			}
		})
	}
	group.Wait()
	if closed(a.drain) {
		return errInterrupted
	}
	if worst == nil {
		return nil
	}
	if !a.Quiet && !a.JSON {
		fmt.Fprintf(a.err, "%d of %d videos failed\n", failed, len(all))
	}
	if graph.KindOf(worst) == graph.Incomplete || exitCode(worst) == exitUsage {
		worst = graph.Errorf(graph.BadData, "%w", worst)
	}
	return reported{worst}
}

// oneOf runs one of the videos.
func (c *runCmd) oneOf(a *app, v video, shared *sharedModel) (frames int, err error) {
	flags, err := c.pipelineFlags.of(v, c.Boxes)
	if err != nil {
		return 0, err
	}
	plan, err := flags.load()
	if err != nil {
		return 0, err
	}
	model, err := shared.open(plan)
	if err != nil {
		return 0, err
	}
	p, err := a.plan(plan, pipelines.Options{Model: model, Overwrite: c.Overwrite})
	if err != nil {
		return 0, err
	}
	report, err := p.Run(a.ctx, runtime.Options{Drain: a.drain})
	return report.Frames, interrupted(err, report)
}

// sharedModel is the device and the network that all videos of a run use.
type sharedModel struct {
	a     *app
	mu    sync.Mutex
	model *pipelines.Model // nil before the first video
}

// open opens the model for the first video.
func (s *sharedModel) open(p *pipelines.Pipeline) (*pipelines.Model, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.model == nil {
		m, err := p.OpenModel(pipelines.Options{Log: s.a.log})
		if err != nil {
			return nil, err
		}
		s.model = m
		s.a.noteNano(m)
	}
	return s.model, nil
}

func (s *sharedModel) close() {
	if s.model != nil {
		if err := s.model.Close(); err != nil {
			s.a.report(err)
		}
	}
}

// closed reports whether a channel has been closed.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
