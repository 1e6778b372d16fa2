//go:build !cuda

package testdevice

import (
	"errors"

	"github.com/seed49bbd0e6/tachi/kernels"
)

func openCUDA() (kernels.Device, error) {
	return nil, errors.New("this test was built without it: build with -tags cuda")
}
