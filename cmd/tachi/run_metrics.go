package main

import (
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/runtime"
)

// The metrics of a run, for Prometheus, under /metrics: what each stage did with its time (the four
// states add up to it), how many frames it has done, and what it has on the device beside what it
// may have.

// metrics serves what was last shown to it.
type metrics struct {
	last   atomic.Pointer[runtime.Snapshot]
	server *http.Server
	where  net.Addr
}

var (
	stageSeconds  = prometheus.NewDesc("tachi_stage_seconds_total", "Time of a stage by what it did: busy, starved (waiting for input), blocked (waiting for space), lease (waiting for residency).", []string{"stage", "state"}, nil)
	stageFrames   = prometheus.NewDesc("tachi_stage_frames_total", "Frames that a stage has done.", []string{"stage"}, nil)
	stageResident = prometheus.NewDesc("tachi_stage_resident_bytes", "Device memory that a stage has in use.", []string{"stage"}, nil)
	stageBound    = prometheus.NewDesc("tachi_stage_resident_bound_bytes", "Device memory that a stage has.", []string{"stage"}, nil)
	allFrames     = prometheus.NewDesc("tachi_frames_total", "Frames that are done.", nil, nil)
	allResident   = prometheus.NewDesc("tachi_resident_frames", "Frames that hold device memory.", nil, nil)
)

// serveMetrics answers at an address until closed.
func serveMetrics(address string) (*metrics, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, usagef("--metrics: %w", err)
	}
	m := &metrics{where: listener.Addr()}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		_ = m.server.Serve(listener) // ends with close
	}()
	return m, nil
}

func (m *metrics) close() error {
	if err := m.server.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return &graph.Error{Kind: graph.RunFailed, Err: err}
	}
	return nil
}

// Describe is part of prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, out) }

// Collect is part of prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	s := m.last.Load()
	if s == nil {
		s = &runtime.Snapshot{}
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	counter(allFrames, float64(s.Frames))
	gauge(allResident, s.Resident)
	for _, st := range s.Stages {
		counter(stageFrames, float64(st.Frames), st.ID)
		for state, d := range map[string]time.Duration{"busy": st.Busy, "starved": st.Starved, "blocked": st.Blocked, "lease": st.Leasing} {
			counter(stageSeconds, d.Seconds(), st.ID, state)
		}
		gauge(stageResident, st.Resident, st.ID)
		gauge(stageBound, st.Bound, st.ID)
	}
}
