//go:build cuda

package testdevice

import (
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cuda"
)

func openCUDA() (kernels.Device, error) {
	dev, err := cuda.New(0, cuda.Float32)
	if err != nil {
		return nil, err
	}
	return dev, nil
}
