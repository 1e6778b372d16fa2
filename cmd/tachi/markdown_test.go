package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// What the Markdown files say of the repository is checked here: that lines are short, that paths
// exist, and that commands do.

// proseColumns is the longest a line of prose may be. Tables and code may be longer.
const proseColumns = 100

// document is one Markdown file of the repository.
type document struct {
	path  string // from the root
	lines []string
}

// documents reads every Markdown file of the repository.
func documents(t *testing.T) (all []document) {
	t.Helper()
	list := exec.Command("git", "ls-files", "--", "*.md")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		t.Skip("no git, or no checkout:", err)
	}
	for path := range strings.Lines(string(out)) {
		path = strings.TrimSuffix(path, "\n")
		data, err := os.ReadFile(filepath.Join("../..", path))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, document{path, strings.Split(string(data), "\n")})
	}
	if len(all) == 0 {
		t.Fatal("no Markdown files")
	}
	return all
}

// prose calls see with each line outside code blocks, and code with each line inside one.
func (d document) prose(see, code func(line int, text string)) {
	fenced := false
	for i, text := range d.lines {
		switch {
		case strings.HasPrefix(strings.TrimSpace(text), "```"):
			fenced = !fenced
		case fenced:
			code(i+1, text)
		default:
			see(i+1, text)
		}
	}
}

func ignore(int, string) {}

// tooLong reports whether a line of prose is longer than it may be.
func tooLong(text string) bool {
	return utf8.RuneCountInString(text) > proseColumns && !strings.HasPrefix(text, "|")
}

func TestDocumentationIsWrapped(t *testing.T) {
	for _, d := range documents(t) {
		d.prose(func(line int, text string) {
			if tooLong(text) {
				t.Errorf("%s:%d: %d columns, want at most %d", d.path, line, utf8.RuneCountInString(text), proseColumns)
			}
		}, ignore)
	}
}

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	link     = regexp.MustCompile(`\]\(([^)#]+)`)
)

// namedPaths returns what a line of a document names in the repository: the targets of links, and
// code that begins with one of its folders or is the name of a document.
func namedPaths(text string) (names []string) {
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(m[1], "://") {
			names = append(names, m[1])
		}
	}
	for _, m := range codeSpan.FindAllStringSubmatch(text, -1) {
		first, _, below := strings.Cut(m[1], "/")
		ours := slices.Contains([]string{".ci", "bench", "cmd", "graph", "kernels", "pipelines", "runtime", "stages"}, first)
		if word := !strings.ContainsAny(m[1], " ={}<>"); word && (below && ours || strings.HasSuffix(m[1], ".md")) {
			names = append(names, m[1])
		}
	}
	return names
}

// there reports whether a path is in the repository, seen from a document or from the root. It may
// be a pattern, and NAME or FAMILY in it stands for any name.
func there(from, path string) bool {
	path = strings.NewReplacer("NAME", "*", "FAMILY", "*").Replace(path)
	for _, folder := range []string{filepath.Dir(from), "."} {
		if found, err := filepath.Glob(filepath.Join("../..", folder, path)); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

func TestDocumentationNamesPathsThatExist(t *testing.T) {
	for _, d := range documents(t) {
		d.prose(func(line int, text string) {
			for _, path := range namedPaths(text) {
				if !there(d.path, path) {
					t.Errorf("%s:%d: there is no %s", d.path, line, path)
				}
			}
		}, ignore)
	}
}

// commands calls see with every line of code of a document, in blocks and in spans.
func (d document) commands(see func(line int, code string)) {
	d.prose(func(line int, text string) {
		for _, m := range codeSpan.FindAllStringSubmatch(text, -1) {
			see(line, m[1])
		}
	}, see)
}

var (
	makeTarget = regexp.MustCompile(`\bmake ([a-z][a-z-]*)`)
	verbOfLine = regexp.MustCompile(`(?:^|\s|\./)tachi ([a-z]+)(?: ([a-z]+))?`)
)

func TestDocumentationNamesTargetsOfTheMakefile(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range documents(t) {
		d.commands(func(line int, code string) {
			for _, m := range makeTarget.FindAllStringSubmatch(code, -1) {
				if !strings.Contains("\n"+string(makefile), "\n"+m[1]+":") {
					t.Errorf("%s:%d: the Makefile has no %s", d.path, line, m[1])
				}
			}
		})
	}
}

// verbs returns the program's verbs, with those below them: "model", "model info".
func verbs(t *testing.T) (all []string) {
	t.Helper()
	parser, err := kong.New(&cli{}, variables())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range parser.Model.Children {
		all = append(all, n.Name)
		for _, below := range n.Children {
			all = append(all, n.Name+" "+below.Name)
		}
	}
	return all
}

func TestDocumentationNamesVerbsThatExist(t *testing.T) {
	known := verbs(t)
	// parent reports whether a verb has others below it, so that the word behind it must be one of
	// those.
	parent := func(verb string) bool {
		return slices.ContainsFunc(known, func(v string) bool { return strings.HasPrefix(v, verb+" ") })
	}
	for _, d := range documents(t) {
		d.commands(func(line int, code string) {
			for _, m := range verbOfLine.FindAllStringSubmatch(code, -1) {
				verb := m[1]
				if m[2] != "" && parent(verb) {
					verb += " " + m[2]
				}
				if !slices.Contains(known, verb) {
					t.Errorf("%s:%d: tachi has no verb %q", d.path, line, verb)
				}
			}
		})
	}
}

var flagName = regexp.MustCompile(`(?:^|\s)--([a-z][a-z-]*)`)

func TestDocumentationNamesFlagsThatExist(t *testing.T) {
	parser, err := kong.New(&cli{}, variables())
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"help": true}
	var walk func(n *kong.Node)
	walk = func(n *kong.Node) {
		for _, f := range n.Flags {
			known[f.Name] = true
		}
		for _, below := range n.Children {
			walk(below)
		}
	}
	walk(parser.Model.Node)
	for _, d := range documents(t) {
		if d.path != "README.md" { // the others name flags of other programs as well
			continue
		}
		d.commands(func(line int, code string) {
			for _, m := range flagName.FindAllStringSubmatch(code, -1) {
				if !known[m[1]] {
					t.Errorf("%s:%d: tachi has no flag --%s", d.path, line, m[1])
				}
			}
		})
	}
}

// The table of verbs is the one place where a user sees them all.
func TestDocumentationListsEveryVerb(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(data), "| verb | does |")
	if !ok {
		t.Fatal("README.md has no table of verbs")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	listed := map[string]bool{}
	for row := range strings.Lines(table) {
		cells := strings.SplitN(row, "|", 3)
		if len(cells) == 3 {
			parent := ""
			for _, m := range codeSpan.FindAllStringSubmatch(cells[1], -1) {
				first, _, more := strings.Cut(m[1], " ")
				if listed[m[1]] = true; more {
					parent, listed[first] = first+" ", true
				} else {
					listed[parent+m[1]] = true // `model info`, `list`
				}
			}
		}
	}
	for _, v := range verbs(t) {
		if !listed[v] {
			t.Errorf("the table of verbs lacks %s", v)
		}
	}
}

// A check that passes everything would be none.
func TestDocumentationChecksFindMistakes(t *testing.T) {
	if long := strings.Repeat("ä", proseColumns+1); !tooLong(long) || tooLong(long[2:]) || tooLong("|"+long) {
		t.Error("the length of a line is miscounted")
	}
	got := namedPaths("see `graph/nowhere.go`, [this](gone.md) and `LOST.md`, not `image/png`, `out/x` or https://a/b")
	want := []string{"gone.md", "graph/nowhere.go", "LOST.md"}
	if !slices.Equal(got, want) {
		t.Errorf("paths are %q, want %q", got, want)
	}
	for _, path := range want {
		if there("README.md", path) {
			t.Errorf("%s is said to exist", path)
		}
	}
	if !there("bench/README.md", "results/") || !there("README.md", "graph/plan.go") || !there("README.md", "kernels/cpu/isa_*.c") {
		t.Error("a path that exists is not found")
	}
	if m := verbOfLine.FindStringSubmatch("./tachi model info x.pt"); m == nil || m[1] != "model" || m[2] != "info" {
		t.Errorf("the verb of a command is %q", m)
	}
	if m := makeTarget.FindStringSubmatch("NVRTC=x make ptx-report"); m == nil || m[1] != "ptx-report" {
		t.Errorf("the target of a command is %q", m)
	}
}
