//go:build !nomedia

package media

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/asticode/go-astiav"
)

// hardware decodes pictures on a GPU. Each is copied to host memory as it is, and from there goes
// the way of all others. What the GPU has no decoder for is decoded on the processor.
type hardware struct {
	format  astiav.PixelFormat // of a picture that lies on the GPU
	surface *astiav.Frame      // as the decoder gave it
	bytes   int                // that it keeps pictures in
}

// useHardware lets a decoder that is not open yet use a GPU: "cuda", or "cuda:1" for the second. An
// error says why it will not.
func (r *Reader) useHardware(codec *astiav.Codec, name string) error {
	kind, number, _ := strings.Cut(name, ":")
	device := astiav.FindHardwareDeviceTypeByName(kind)
	configs := codec.HardwareConfigs()
	at := slices.IndexFunc(configs, func(c astiav.CodecHardwareConfig) bool {
		return c.HardwareDeviceType() == device && c.MethodFlags().Has(astiav.CodecHardwareConfigMethodFlagHwDeviceCtx)
	})
	if at < 0 {
		return fmt.Errorf("FFmpeg's %s decoder does not use it", codec.Name())
	}
	format := configs[at].PixelFormat()
	if err := useDevice(r.dec, device, number); err != nil {
		return fmt.Errorf("FFmpeg cannot open the GPU or its driver: %w", err)
	}
	tell := sync.OnceFunc(func() { r.onProcessor(name, errors.New("it does not decode videos like this one")) })
	r.dec.SetPixelFormatCallback(func(formats []astiav.PixelFormat) astiav.PixelFormat {
		if slices.Contains(formats, format) {
			return format
		}
		tell()
		return formats[len(formats)-1] // where FFmpeg puts the processor's
	})
	r.hw = &hardware{format: format, surface: astiav.AllocFrame()}
	return nil
}

func (r *Reader) onProcessor(name string, why error) {
	r.log.Warn().Err(why).Msgf("%s: hwaccel %s: decoded on the processor instead", r.name, name)
}

// receive leaves the decoder's next picture in r.frame.
func (r *Reader) receive() error {
	if r.hw == nil {
		return r.dec.ReceiveFrame(r.frame)
	}
	if err := r.dec.ReceiveFrame(r.hw.surface); err != nil {
		return err
	}
	defer r.hw.surface.Unref()
	r.frame.Unref()
	if r.hw.surface.PixelFormat() != r.hw.format {
		return r.frame.Ref(r.hw.surface)
	}
	if r.hw.bytes == 0 {
		r.hw.bytes = surfaces(r.hw.surface)
	}
	if err := r.hw.surface.TransferHardwareData(r.frame); err != nil {
		return err
	}
	return copyProperties(r.frame, r.hw.surface)
}

// Surfaces returns the bytes of a GPU that the decoder keeps pictures in.
func (r *Reader) Surfaces() int {
	if r.hw == nil {
		return 0
	}
	return r.hw.bytes
}

func (r *Reader) freeHardware() {
	if r.hw != nil {
		r.dec.SetPixelFormatCallback(nil)
		r.hw.surface.Free()
		r.hw = nil
	}
}
