package media

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	ci      = "../../../.ci/"
	binding = "github.com/asticode/go-astiav"
)

// fitting runs .ci/ffmpeg on a machine with a version of libavcodec.
func fitting(t *testing.T, libavcodec string) (string, error) {
	pkgConfig := filepath.Join(t.TempDir(), "pkg-config")
	if err := os.WriteFile(pkgConfig, []byte("#!/bin/sh\necho "+libavcodec+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(ci + "ffmpeg")
	cmd.Env = append(os.Environ(), "PKG_CONFIG="+pkgConfig)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, said.String())
	}
	return strings.TrimSpace(string(out)), err
}

func TestTheFFmpegOfAMachineChoosesTheBinding(t *testing.T) {
	for libavcodec, want := range map[string]string{
		"59.37.100": "", "60.31.102": "ffmpeg6.work", "61.3.100": "ffmpeg7.work", "61.19.101": "ffmpeg7.work",
		"62.11.100": "ffmpeg8.work", "63.1.102": "ffmpeg9.work",
	} {
		got, err := fitting(t, libavcodec)
		if err != nil {
			t.Errorf("libavcodec %s: %v", libavcodec, err)
			continue
		}
		if want != "" {
			want, _ = filepath.Abs(ci + want)
		}
		if got != want {
			t.Errorf("libavcodec %s: %q, want %q", libavcodec, got, want)
		}
	}
}

func TestAnFFmpegThatNoBindingFitsIsRefusedByName(t *testing.T) {
	for libavcodec, name := range map[string]string{
		"58.134.100": "FFmpeg 4 ", "59.18.100": "FFmpeg 5 ", "60.3.100": "FFmpeg 6 ", "64.1.100": "FFmpeg 10 ",
	} {
		said, err := fitting(t, libavcodec)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "5.1, 6.1, 7, 8 and 9") {
			t.Errorf("libavcodec %s: %q, %v", libavcodec, said, err)
		}
	}
}

// TestAWorkspaceIsGoModWithAnotherBinding reads each workspace as go does: whatever else it said
// would be a second go.mod.
func TestAWorkspaceIsGoModWithAnotherBinding(t *testing.T) {
	type module struct{ Path, Version string }
	type replacement struct{ Old, New module }
	type file struct {
		Go, Toolchain string
		Use           []struct{ DiskPath string }
		Replace       []replacement
		Require       []module // of go.mod
	}
	read := func(kind, path string) (f file) {
		out, err := exec.Command("go", kind, "edit", "-json", path).Output()
		if err == nil {
			err = json.Unmarshal(out, &f)
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return f
	}
	gomod := read("mod", "../../../go.mod")
	seen := map[string]string{}
	for _, m := range gomod.Require {
		if m.Path == binding {
			seen[m.Version] = "go.mod"
		}
	}
	workspaces, _ := filepath.Glob(ci + "*.work")
	if len(workspaces) < 4 || len(seen) != 1 {
		t.Fatalf("workspaces %v, go.mod's binding %v", workspaces, seen)
	}
	for _, path := range workspaces {
		got := read("work", path)
		want := file{Go: gomod.Go, Toolchain: gomod.Toolchain, Use: []struct{ DiskPath string }{{".."}}}
		version := ""
		if len(got.Replace) == 1 {
			version = got.Replace[0].New.Version
			want.Replace = []replacement{{module{Path: binding}, module{binding, version}}}
		}
		if diff := cmp.Diff(want, got); diff != "" || version == "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		if other, twice := seen[version]; twice {
			t.Errorf("%s: %s is the binding of %s", path, version, other)
		}
		seen[version] = path
		name := regexp.QuoteMeta(binding + " " + version)
		sums, err := os.ReadFile(path + ".sum")
		if err != nil {
			t.Error(err)
		} else if !regexp.MustCompile(`\A` + name + ` h1:\S{44}\n` + name + `/go\.mod h1:\S{44}\n\z`).Match(sums) {
			t.Errorf("%s.sum: not just the two sums of the binding:\n%s", path, sums)
		}
	}
}
