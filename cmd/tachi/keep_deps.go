//go:build keepdeps

package main

import (
	_ "github.com/BurntSushi/toml"
	_ "github.com/alecthomas/kong"
	_ "github.com/asticode/go-astiav"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/nlpodyssey/gopickle/pickle"
	_ "github.com/reugn/go-streams"
	_ "github.com/reugn/go-streams/flow"
	_ "github.com/reugn/go-streams/extension"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/rogpeppe/go-internal/txtar"
	_ "github.com/rs/zerolog"
	_ "github.com/schollz/progressbar/v3"
	_ "go.uber.org/goleak"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "pgregory.net/rapid"
)
