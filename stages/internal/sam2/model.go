// Package sam2 is the SAM 2 and SAM 2.1 video segmentation network: image encoder, prompt encoder,
// mask decoder, memory attention and memory encoder, in all published sizes. A Model is pure: what
// a tracker remembers comes in as arguments and goes out as results, and how it is chosen is the
// stages' affair.
//
// S is the side of the square image the network sees (Config.ImageSize), hw = (S/16)², d is the
// width of the model and m that of a memory. Maps are [H, W, C] and tokens [hw, d], rows first, the
// same elements in the same order.
package sam2

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// Model is a network bound to a device. It does not change after Load, so any number of goroutines
// may use it.
type Model struct {
	dev   kernels.Device
	cfg   Config
	owned []*kernels.Tensor
	Notes []string // what a user should know about how the weights were read

	trunk     trunk
	neck      neck
	prompt    promptEncoder
	decoder   maskDecoder
	attention memoryAttention
	memory    memoryEncoder

	maskPrompt  conv            // reduces the user's mask to a mask prompt
	noMem       *kernels.Tensor // [d], added to the vision feature when there is no memory
	pointer     mlp             // mask token to object pointer
	noPointer   *kernels.Tensor // [d], the pointer of no object
	mixPointers bool            // it replaces the object's pointer; else it is added to it
}

// build binds every weight of the network. It is the one list of what a checkpoint holds.
func build(b *binder, c Config) *Model {
	d := c.Dim()
	m := &Model{dev: b.dev, cfg: c, mixPointers: c.FixedNoObjPtr}
	m.noMem = b.vector("no_mem_embed", 1, 1, d)
	b.values("no_mem_pos_enc", 1, 1, d) // stored by the reference, read by nothing
	m.trunk = b.trunk(c)
	m.neck = b.neck(c)
	m.attention = b.memoryAttention(c)
	m.memory = b.memoryEncoder(c)
	m.prompt = b.promptEncoder(c)
	m.decoder = b.maskDecoder(c)
	if c.UseObjPtrsInEncoder {
		m.maskPrompt = b.conv("mask_downsample", 1, 1, 4, 4, 0)
		if c.UseMLPForObjPtrProj {
			m.pointer = b.mlp("obj_ptr_proj", kernels.ReLU, d, d, d, d)
		} else {
			m.pointer = mlp{layers: []linear{b.linear("obj_ptr_proj", d, d)}}
		}
		if c.PredObjScores {
			m.noPointer = b.vector("no_obj_ptr", 1, d)
		}
	}
	m.owned = b.owned
	return m
}

// on returns the same network with its temporaries and results on another device over the one that
// has the weights.
func (m *Model) on(dev kernels.Device) *Model {
	own := *m
	own.dev, own.owned = dev, nil
	return &own
}

// Close frees the weights.
func (m *Model) Close() {
	for _, t := range m.owned {
		m.dev.Free(t)
	}
	m.owned = nil
}

// Config returns what the network was built from.
func (m *Model) Config() Config { return m.cfg }

// WeightBytes returns the device memory that the weights and tables hold.
func (m *Model) WeightBytes() int {
	n := 0
	for _, t := range m.owned {
		n += t.Buf.Bytes()
	}
	return n
}

// Preprocess makes the network's input f32 [S, S, 3] of a picture u8 [H, W, 3], stretched as the
// reference stretches pictures from folders. The caller frees it.
func (m *Model) Preprocess(rgb *kernels.Tensor) (*kernels.Tensor, error) {
	s := kernels.NewScope(m.dev)
	defer s.Close()
	x := s.Result(kernels.F32, m.cfg.ImageSize, m.cfg.ImageSize, 3)
	s.Do(kernels.Preprocess{X: rgb, Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225}, Y: x})
	s.Keep(x)
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("preprocess: %w", err)
	}
	return x, nil
}

// WithoutMemory returns the vision feature as the decoder sees it on a prompted frame, f32 [hw, d].
// The caller frees it.
func (m *Model) WithoutMemory(f2 *kernels.Tensor) (*kernels.Tensor, error) {
	if err := m.shapedVision(f2); err != nil {
		return nil, fmt.Errorf("without memory: %w", err)
	}
	s := kernels.NewScope(m.dev)
	defer s.Close()
	x := s.Result(kernels.F32, m.hw(), m.cfg.Dim())
	s.Do(kernels.Add{A: f2, B: m.noMem, Alpha: 1, Y: x})
	s.Keep(x)
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("without memory: %w", err)
	}
	return x, nil
}

// ObjectPointer returns lambda P(token) + (1-lambda) N, f32 [d], for a mask token [d], where P is
// the pointer projection and N the pointer of no object; lambda is 1 where the object appears, else
// 0. The caller frees it.
func (m *Model) ObjectPointer(token *kernels.Tensor, lambda float32) (*kernels.Tensor, error) {
	d := m.cfg.Dim()
	if err := shaped("object pointer: token", token, kernels.F32, d); err != nil {
		return nil, err
	}
	if len(m.pointer.layers) == 0 {
		return nil, errors.New("object pointer: the network makes none (use_obj_ptrs_in_encoder)")
	}
	s := kernels.NewScope(m.dev)
	defer s.Close()
	p := m.pointer.apply(s, token.Reshape(1, d), kernels.None)
	if m.mixPointers {
		s.Do(kernels.Activate{X: p, Scale: lambda, Y: p})
	}
	if m.noPointer != nil {
		s.Do(kernels.Add{A: p, B: m.noPointer, Alpha: 1 - lambda, Y: p})
	}
	out := copyTo(s, s.Result(kernels.F32, d), p)
	s.Keep(out)
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("object pointer: %w", err)
	}
	return out, nil
}

// hw returns the tokens of the vision feature.
func (m *Model) hw() int { return m.cfg.Side() * m.cfg.Side() }

// shapedVision wants a vision feature as a map or as tokens.
func (m *Model) shapedVision(f2 *kernels.Tensor) error {
	side, d := m.cfg.Side(), m.cfg.Dim()
	if f2 != nil && len(f2.Shape) == 2 {
		return shaped("vision feature", f2, kernels.F32, side*side, d)
	}
	return shaped("vision feature", f2, kernels.F32, side, side, d)
}

// shapedFeatures wants the features of one image.
func (m *Model) shapedFeatures(f Features) error {
	side, d := m.cfg.Side(), m.cfg.Dim()
	if err := shaped("F0", f.F0, kernels.F32, 4*side, 4*side, d/8); err != nil {
		return err
	}
	if err := shaped("F1", f.F1, kernels.F32, 2*side, 2*side, d/4); err != nil {
		return err
	}
	return shaped("F2", f.F2, kernels.F32, side, side, d)
}

// shaped returns an error that names a tensor which is not what it should be.
func shaped(what string, t *kernels.Tensor, dt kernels.DType, shape ...int) error {
	if t == nil || t.DType != dt || t.Layout != kernels.RowMajor || !slices.Equal(t.Shape, shape) {
		return fmt.Errorf("%s is %v, want %v%v", what, t, dt, shape)
	}
	return nil
}
