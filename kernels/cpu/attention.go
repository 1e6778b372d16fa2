package cpu

import "github.com/seed49bbd0e6/tachi/kernels"

func (d *Device) attention(op kernels.Attention) error             { return unsupported(op) }
func (d *Device) windowAttention(op kernels.WindowAttention) error { return unsupported(op) }
