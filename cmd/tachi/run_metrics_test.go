package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed49bbd0e6/tachi/runtime"
)

func TestMetricsSayWhatTheSnapshotSays(t *testing.T) {
	m, err := serveMetrics("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.last.Store(&runtime.Snapshot{Frames: 12, Resident: 3, Stages: []runtime.StageStats{
		{ID: "encode", Frames: 14, Busy: 3 * time.Second, Starved: time.Second, Leasing: 500 * time.Millisecond, Resident: 1000, Bound: 4096}}})
	r, err := http.Get("http://" + m.where.String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"tachi_frames_total 12\n", "tachi_resident_frames 3\n", `tachi_stage_frames_total{stage="encode"} 14` + "\n",
		`tachi_stage_seconds_total{stage="encode",state="busy"} 3` + "\n", `tachi_stage_seconds_total{stage="encode",state="lease"} 0.5` + "\n",
		`tachi_stage_resident_bytes{stage="encode"} 1000` + "\n", `tachi_stage_resident_bound_bytes{stage="encode"} 4096` + "\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if _, err := serveMetrics(m.where.String()); err == nil || exitCode(err) != exitUsage {
		t.Errorf("a taken address: %v", err)
	}
	if err := m.close(); err != nil {
		t.Error(err)
	}
}
