package outfile

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seed49bbd0e6/tachi/graph"
)

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

func wantBadOutput(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || graph.KindOf(err) != graph.BadOutput || !strings.Contains(err.Error(), text) {
		t.Fatalf("error %v, want a BadOutput with %q", err, text)
	}
}

func TestFileHasItsNameOnlyAfterCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "er", "tracks.txt")
	f, err := Create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSuffix(path, ".txt") + ".partial.txt"; f.Path() != want {
		t.Fatalf("partial is %s, want %s", f.Path(), want)
	}
	if _, err := f.Write([]byte("1,2,3,4\n")); err != nil {
		t.Fatal(err)
	}
	if exists(path) {
		t.Fatal("the final name exists before Commit")
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "1,2,3,4\n" || exists(f.Path()) {
		t.Fatalf("content %q, partial still there: %v", b, exists(f.Path()))
	}
}

func TestExistingOutputIsRefusedWithoutOverwrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tracks.txt")
	os.WriteFile(path, []byte("old"), 0o666)
	_, err := Create(path, false)
	wantBadOutput(t, err, "tracks.txt exists: give --overwrite")
	f, err := Create(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "old" {
		t.Fatal("the old output changed before Commit")
	}
	f.Write([]byte("new"))
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "new" {
		t.Fatalf("content %q", b)
	}
}

func TestAbandonKeepsThePartialAndDiscardRemovesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.mp4")
	f, _ := Create(path, false)
	if err := f.Abandon(); err != nil || !exists(f.Path()) || exists(path) {
		t.Fatal("abandon:", err, exists(f.Path()), exists(path))
	}
	f, _ = Create(path, false)
	if f.Discard(); exists(f.Path()) || exists(path) {
		t.Fatal("discard leaves files")
	}
}

func TestImpossiblePlacesAreBadOutput(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "file"), nil, 0o666)
	_, err := Create(filepath.Join(dir, "file", "a.txt"), false)
	wantBadOutput(t, err, "a.txt: a file stands where a folder is needed")
	_, err = Create(dir, true)
	wantBadOutput(t, err, "is a folder")
	_, err = Create("/proc/a.txt", false)
	wantBadOutput(t, err, "/proc/a.txt: ")
	_, err = CreateDir(filepath.Join(dir, "file"), ".png", true)
	wantBadOutput(t, err, "is not a folder")
}

func TestOnlyOutputsAreReplaced(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	wantBadOutput(t, Check(pipe, true), "pipe is not a plain file")

	masks := filepath.Join(dir, "masks")
	os.MkdirAll(filepath.Join(masks, "sub"), 0o777)
	wantBadOutput(t, CheckDir(masks, ".png", true), "masks holds sub")
	os.Remove(filepath.Join(masks, "sub"))
	os.WriteFile(filepath.Join(masks, "thesis.doc"), nil, 0o666)
	wantBadOutput(t, CheckDir(masks, ".png", true), "masks holds thesis.doc")
	if _, err := CreateDir(masks, ".png", true); err == nil || !exists(filepath.Join(masks, "thesis.doc")) || exists(masks+".partial") {
		t.Fatalf("error %v, and something was touched", err)
	}
}

func TestPartialNames(t *testing.T) {
	for path, want := range map[string]string{"a.mp4": "a.partial.mp4", "out/a": "out/a.partial", "x.y/.rc": "x.y/.rc.partial", "a.tar.gz": "a.tar.partial.gz"} {
		if got := Partial(path); got != want {
			t.Errorf("Partial(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestFolderReplacesAnOldOneWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "masks")
	write := func(overwrite bool, name string) error {
		d, err := CreateDir(path+"/", ".png", overwrite)
		if err != nil {
			return err
		}
		os.WriteFile(filepath.Join(d.Path(), name), nil, 0o666)
		if exists(filepath.Join(path, name)) {
			t.Fatal("visible before Commit")
		}
		return d.Commit()
	}
	if err := write(false, "0.png"); err != nil {
		t.Fatal(err)
	}
	wantBadOutput(t, write(false, "1.png"), "masks exists: give --overwrite")
	if err := write(true, "1.png"); err != nil {
		t.Fatal(err)
	}
	if exists(path+"/0.png") || !exists(path+"/1.png") || exists(path+".partial") || exists(path+".old.partial") {
		t.Fatal("the old folder is mixed with the new one, or something is left over")
	}
}
