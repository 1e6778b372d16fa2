package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"image"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// exitcode N prog args... runs a program and wants that exit code; what it prints is matched with
// stdout and stderr.
func exitcode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode N prog args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// cut from to percent copies the beginning of a file.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	percent, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data[:len(data)*percent/100], 0o666))
}

// damage from to begin end copies a file with some of its bytes inverted.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	begin, err := strconv.Atoi(args[2])
	ts.Check(err)
	end, err := strconv.Atoi(args[3])
	ts.Check(err)
	for i := begin; i < end; i++ {
		data[i] = ^data[i]
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data, 0o666))
}

// picture W H file writes a PNG whose upper left quarter is white, the rest black.
func picture(ts *testscript.TestScript, neg bool, args []string) {
	w, err := strconv.Atoi(args[0])
	ts.Check(err)
	h, err := strconv.Atoi(args[1])
	ts.Check(err)
	img := image.NewGray(image.Rect(0, 0, w, h))
	draw.Draw(img, image.Rect(0, 0, w/2, h/2), image.White, image.Point{}, draw.Src)
	var b bytes.Buffer
	ts.Check(png.Encode(&b, img))
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[2])), 0o777))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b.Bytes(), 0o666))
}

// hostile command file writes a checkpoint as torch.save would, whose pickle asks for
// os.system(command).
func hostile(ts *testscript.TestScript, neg bool, args []string) {
	pickle := "\x80\x02cos\nsystem\n(X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(args[0])))) + args[0] + "tR."
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "archive/data.pkl", Method: zip.Store})
	ts.Check(err)
	_, err = w.Write([]byte(pickle))
	ts.Check(err)
	ts.Check(z.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b.Bytes(), 0o666))
}

// hex file digits... writes bytes; what is no pair of digits is written as text.
func hexfile(ts *testscript.TestScript, neg bool, args []string) {
	var data []byte
	for _, text := range args[1:] {
		b, err := hex.DecodeString(text)
		if err != nil {
			b = []byte(text)
		}
		data = append(data, b...)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o666))
}

// interrupt TIMES file prog args... runs a program until the file is there and not empty,
// interrupts it so many times and wants exit code 130, or 65 when it is left to end by itself. Its
// standard input is a pipe that stays open and brings what the file "stdin" holds, if there is one:
// then it waits for more when it is interrupted. Its messages go to the file "stderr".
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	times, err := strconv.Atoi(args[0])
	ts.Check(err)
	path, err := exec.LookPath(args[2])
	ts.Check(err)
	cmd := exec.Command(path, args[3:]...)
	cmd.Dir, cmd.Env = ts.Getenv("WORK"), os.Environ()
	for _, name := range []string{"PATH", "ROOT", "XDG_CACHE_HOME"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	stdin, err := cmd.StdinPipe()
	ts.Check(err)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	ts.Check(cmd.Start())
	kill := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer kill.Stop()
	input, _ := os.ReadFile(ts.MkAbs("stdin"))
	go stdin.Write(input)
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	for there := false; !there; {
		info, err := os.Stat(ts.MkAbs(args[1]))
		there = err == nil && info.Size() > 0
		select {
		case <-ended:
			there = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	if input != nil { // let it come to where the pipe is silent
		time.Sleep(time.Second)
	}
	for range times {
		cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(100 * time.Millisecond):
		}
	}
	<-ended
	ts.Check(os.WriteFile(ts.MkAbs("stderr"), messages.Bytes(), 0o666))
	want := exitInterrupted
	if times == 0 {
		want = exitBadData
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit code %d, want %d: %s", got, want, messages.Bytes())
	}
}

// jsonlines file wants one JSON object on every line, and at least one.
func jsonlines(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	if text == "" {
		ts.Fatalf("%s is empty", args[0])
	}
	for line := range strings.Lines(text) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			ts.Fatalf("%s: %q: %v", args[0], line, err)
		}
	}
}

// lines N file wants that number of lines.
func lines(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	data, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := bytes.Count(data, []byte("\n")); (got == want) == neg {
		ts.Fatalf("%s has %d lines, want %d", args[1], got, want)
	}
}

// join NEW FILE...: writes files one behind the other.
func join(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: join new file...")
	}
	var all []byte
	for _, name := range args[1:] {
		all = append(all, ts.ReadFile(name)...)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), all, 0o666))
}
