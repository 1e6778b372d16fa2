//go:build nomedia

// Package encodeoutput holds the drawing of overlays; the stage itself needs FFmpeg.
package encodeoutput
