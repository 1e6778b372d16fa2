package cpu

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/seed49bbd0e6/tachi/kernels/cpu/internal/wide"
)

// sets names the kernels that tests run on: those for the instruction sets that the processor has,
// and the wide ones.
func sets() []string { return append(available(), "wide") }

func kernelsOf(t testing.TB, set string) *isa {
	t.Helper()
	if set == "wide" {
		return (*isa)(wide.Kernels())
	}
	k, err := pickISA(set)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// apart runs a test for each set of kernels in a process of its own: a fault ends it, and the test
// that had begun last is the one that failed.
func apart(t *testing.T, test func(t *testing.T, set string)) {
	const child = "TACHI_TEST_APART"
	for _, set := range sets() {
		t.Run(set, func(t *testing.T) {
			if os.Getenv(child) != "" {
				test(t, set)
				return
			}
			t.Parallel()
			args := []string{"-test.v", "-test.run=^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"}
			for _, arg := range os.Args[1:] {
				if !strings.HasPrefix(arg, "-test.") || strings.HasPrefix(arg, "-test.timeout") {
					args = append(args, arg)
				}
			}
			cmd := exec.Command(os.Args[0], args...)
			cmd.Env = append(os.Environ(), child+"=1")
			out, err := cmd.CombinedOutput()
			lines := strings.Split(string(out), "\n")
			if err == nil {
				if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "--- PASS: ") }) {
					t.Errorf("nothing ran:\n%s", out)
				}
				return
			}
			isRun := func(l string) bool { return strings.HasPrefix(l, "=== RUN") }
			if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 { // tests failed, and said so
				lines = slices.DeleteFunc(lines, func(l string) bool {
					return isRun(l) || strings.HasPrefix(strings.TrimSpace(l), "--- PASS")
				})
				t.Error(strings.Join(lines, "\n"))
				return
			}
			last := len(lines) - 1
			for last > 0 && !isRun(lines[last]) {
				last--
			}
			t.Errorf("%v:\n%s", err, strings.Join(lines[last:min(len(lines), last+40)], "\n"))
		})
	}
}
