// Package demo holds the network in the box: nano, the architecture of SAM 2.1 with every width
// cut, trained on the video of `tachi synth` by the scripts in train/. It has seen no real video.
package demo

import _ "embed"

// Nano is a safetensors file of float16 tensors under their official names.
//
//go:embed nano.safetensors
var Nano []byte
