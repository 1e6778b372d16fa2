package cpu

import "github.com/seed49bbd0e6/tachi/kernels"

func unsupported(op kernels.Op) error {
	return &kernels.UnsupportedError{Device: "cpu", Op: op.Name()}
}

func (d *Device) depthwiseConv(op kernels.DepthwiseConv) error { return unsupported(op) }
func (d *Device) rope(op kernels.RoPE) error                   { return unsupported(op) }
func (d *Device) layerNorm(op kernels.LayerNorm) error         { return unsupported(op) }
func (d *Device) add(op kernels.Add) error                     { return unsupported(op) }
func (d *Device) activate(op kernels.Activate) error           { return unsupported(op) }
func (d *Device) cast(op kernels.Cast) error                   { return unsupported(op) }
func (d *Device) fill(op kernels.Fill) error                   { return unsupported(op) }
func (d *Device) maxPool(op kernels.MaxPool) error             { return unsupported(op) }
func (d *Device) upsampleAdd(op kernels.UpsampleAdd) error     { return unsupported(op) }
func (d *Device) resize(op kernels.Resize) error               { return unsupported(op) }
func (d *Device) preprocess(op kernels.Preprocess) error       { return unsupported(op) }
func (d *Device) maskBoxes(op kernels.MaskBoxes) error         { return unsupported(op) }
func (d *Device) countAbove(op kernels.CountAbove) error       { return unsupported(op) }
