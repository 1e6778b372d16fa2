// Package media is everything that touches FFmpeg: a Reader of video files, addresses, pipes and
// cameras, and a Writer of H.264 in mp4. It speaks go-astiav where that suffices and a small C shim
// (shim.c) where it does not.
//
// Pictures are packed RGB, 8 bits, in displayed orientation: rotation metadata has been applied to
// the pixels. Times are integers in the stream's time base, strictly increasing.
//
// With the build tag nomedia the package is empty, and a program needs no FFmpeg.
package media
