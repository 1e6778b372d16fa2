//go:build cuda

package cuda

import (
	"errors"

	"gorgonia.org/cu"

	"github.com/seed49bbd0e6/tachi/kernels/cuda/internal/cuext"
)

// Copies between host and device go through page-locked memory, which the GPU reads and writes on
// its own while the processor goes on.
//
// Up, the source is cut in chunks: while one is under way to the device the next is copied into its
// place. The last are still under way when upload returns, and whoever takes their places next
// waits for them.
//
// Down, the whole piece is queued at once, so that what others queue meanwhile does not get between
// its parts, and is copied out when the event behind it has come: not when the stream is empty.

const (
	uploadChunk  = 2 << 20
	downloadMost = 64 << 20 // what is queued at once
)

// staging is a ring of places.
type staging chan *place

// place is page-locked memory, and the event behind the last copy from or to it.
type place struct {
	memory []byte
	done   cu.Event
	busy   bool // done has not been waited for
}

// newStaging returns n places, of so many bytes for a start.
func (d *driver) newStaging(n, bytes int) (staging, error) {
	s := make(staging, n)
	for range n {
		p := new(place)
		err := d.do("event", func() (err error) { p.done, err = cu.MakeEvent(cu.DisableTiming | cu.BlockingSyncEvent); return err })
		if err == nil {
			s <- p
			err = d.grow(p, bytes)
		}
		if err != nil {
			return nil, errors.Join(err, d.freeStaging(s))
		}
	}
	return s, nil
}

func (d *driver) freeStaging(s staging) (err error) {
	for range len(s) {
		p := <-s
		err = errors.Join(err, d.failed("page-locked memory", cuext.HostFree(d.ctx, p.memory)),
			d.do("event", func() error { return cu.DestroyEvent(&p.done) }))
	}
	return err
}

// grow sees that a place that is not busy has so many bytes.
func (d *driver) grow(p *place, bytes int) error {
	if len(p.memory) >= bytes {
		return nil
	}
	err := cuext.HostFree(d.ctx, p.memory)
	p.memory = nil
	if err == nil {
		p.memory, err = cuext.HostAlloc(d.ctx, bytes)
	}
	return d.failed("page-locked memory", err)
}

// wait waits until the last copy from or to a place is over.
func (d *driver) wait(p *place) error {
	if !p.busy {
		return nil
	}
	p.busy = false
	return cuext.WaitEvent(d.ctx, p.done)
}

func (d *driver) upload(dst uint64, src []byte) error {
	for len(src) > 0 {
		n := min(len(src), uploadChunk)
		if err := d.uploadChunk(dst, src[:n]); err != nil {
			return err
		}
		dst, src = dst+uint64(n), src[n:]
	}
	return nil
}

func (d *driver) uploadChunk(dst uint64, src []byte) error {
	if err := d.gone(); err != nil {
		return err
	}
	p := <-d.up
	defer func() { d.up <- p }()
	if err := d.wait(p); err != nil {
		return d.failed("upload", err)
	}
	copy(p.memory, src)
	p.busy = true
	return d.failed("upload", cuext.Upload(d.ctx, dst, p.memory[:len(src)], d.stream, p.done))
}

func (d *driver) download(dst []byte, src uint64) error {
	for len(dst) > 0 {
		n := min(len(dst), downloadMost)
		if err := d.downloadChunk(dst[:n], src); err != nil {
			return err
		}
		dst, src = dst[n:], src+uint64(n)
	}
	return nil
}

func (d *driver) downloadChunk(dst []byte, src uint64) error {
	if err := d.gone(); err != nil {
		return err
	}
	p := <-d.down
	defer func() { d.down <- p }()
	if err := d.grow(p, len(dst)); err != nil {
		return err
	}
	memory := p.memory[:len(dst)]
	p.busy = true
	err := cuext.Download(d.ctx, memory, src, d.stream, p.done)
	if err == nil {
		err = d.wait(p)
	}
	if err == nil {
		copy(dst, memory)
	}
	return d.failed("download", err)
}
