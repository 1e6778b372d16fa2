package infile

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed49bbd0e6/tachi/graph"
)

func TestContentIsToldFromTheFirstBytes(t *testing.T) {
	for data, want := range map[string]string{
		"":                             "empty",
		"RIFF\x10\x00\x00\x00WEBPVP8 ": "a WebP picture",
		"RIFF\x10\x00\x00\x00AVI LIST": "an AVI video",
		"RIFF":                         "text",
		"GIF89a":                       "a GIF picture",
		"II*\x00\x08\x00\x00\x00":      "a TIFF picture",
		"MM\x00*\x00\x00\x00\x08":      "a TIFF picture",
		"BM\x36\x00\x03\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00": "a BMP picture",
		"\x00\x00\x00\x1cftypavif":       "an AVIF picture",
		"\x00\x00\x00\x18ftypheic":       "a HEIC picture",
		"\x00\x00\x00\x18ftypmp42":       "an MP4 or QuickTime video",
		"%PDF-1.4":                       "a PDF document",
		"PK\x03\x04":                     "a zip archive",
		" <!DOCTYPE html><html>404":      "an HTML page",
		"<html>404</html>":               "an HTML page",
		"\uFEFF<html>":                   "an HTML page",
		"P6\n320 240\n255\n":             "a PNM picture",
		"version https://git-lfs.github": "a Git LFS pointer, in place of the file itself",
		"Not Found":                      "text",
		"\x00\x00\x00\x00":               "nothing but zeros",
		"\x12\x34\x00\x01":               "",
		"\xff\xfe{\x00":                  "UTF-16 text",
	} {
		if got := Content([]byte(data)); got != want {
			t.Errorf("Content(%.20q) = %q, want %q", data, got, want)
		}
	}
}

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	dir := t.TempDir()
	pipe, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "zero.png")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{pipe: "pipe: is a pipe, not a regular file", link: "zero.png: is a device, not a regular file",
		dir: "is a folder, not a regular file", dir + "/none": "none: no such file or directory"} {
		if _, err := ReadFile(path, 10); err == nil || graph.KindOf(err) != graph.BadData || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want graph.BadData with %q", path, err, want)
		}
	}
	if _, err := ReadOnce(link, 10); err == nil {
		t.Error("a device was read")
	}
	file := filepath.Join(dir, "file")
	os.WriteFile(file, []byte("0123456789"), 0o666)
	if data, err := ReadFile(file, 10); err != nil || string(data) != "0123456789" {
		t.Error(string(data), err)
	}
	if _, err := ReadFile(file, 9); err == nil || !strings.HasSuffix(err.Error(), "file: more than 9 bytes") {
		t.Error(err)
	}
}

func TestAPipeIsReadOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	go os.WriteFile(path, []byte("once"), 0o666)
	for range 3 {
		read := make(chan string, 1)
		go func() {
			data, err := ReadOnce(path, 10)
			if err != nil {
				t.Error(err)
			}
			read <- string(data)
		}()
		select {
		case got := <-read:
			if got != "once" {
				t.Fatalf("read %q", got)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the pipe is opened again")
		}
	}
}

func TestTextHasNoByteOrderMark(t *testing.T) {
	if got, err := Text([]byte("\xef\xbb\xbfa\r\n")); err != nil || string(got) != "a\r\n" {
		t.Errorf("%q, %v", got, err)
	}
	for data, want := range map[string]string{"\xff\xfea\x00": "is UTF-16 text: save it as UTF-8", "\xfe\xff\x00a": "is UTF-16 text: save it as UTF-8",
		"\x00\x00\x00\x18ftypmp42": "is an MP4 or QuickTime video, not text", "ab\x00\x01": "is binary data, not text"} {
		if _, err := Text([]byte(data)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", data, err, want)
		}
	}
}

func TestBriefShowsNoMoreThanFortyCharactersAndNoGarbage(t *testing.T) {
	for text, want := range map[string]string{
		" 1,2,3 ":                 `"1,2,3"`,
		"\x00\x1b[31m\xffx":       "\"\uFFFD\uFFFD[31m\uFFFDx\"",
		strings.Repeat("é", 5000): `"` + strings.Repeat("é", 40) + `..."`,
		strings.Repeat("a", 40):   `"` + strings.Repeat("a", 40) + `"`,
		strings.Repeat("a", 41):   `"` + strings.Repeat("a", 40) + `..."`,
	} {
		if got := Brief(text); got != want {
			t.Errorf("Brief(%.20q) = %s, want %s", text, got, want)
		}
	}
}
