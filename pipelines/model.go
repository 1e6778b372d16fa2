package pipelines

import (
	"errors"
	"reflect"
	"sync"

	"github.com/rs/zerolog"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/stages/model"
)

// Model is a device and the network on it, for one plan or for many, also at the same time. It does
// not change once it is loaded.
type Model struct {
	Device kernels.Device

	plain   kernels.Device // without what Options.WrapDevice has put around it
	mu      sync.Mutex
	network *model.Model // nil before it is loaded, and in pipelines without [model]
	loaded  graph.ModelSettings
}

// OpenModel opens the device that the pipeline asks for, and reads the weights that it names. Plans
// of any pipeline with the same [model] and device can share it.
func (p *Pipeline) OpenModel(o Options) (*Model, error) {
	m, err := p.openDevice(o)
	if err != nil {
		return nil, err
	}
	if err := m.load(p.Graph.Model, o.Log); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// openDevice opens the device alone.
func (p *Pipeline) openDevice(o Options) (*Model, error) {
	dev, err := openDevice(p.Graph, o.Log)
	if err != nil {
		return nil, err
	}
	m := &Model{Device: dev, plain: dev}
	if o.WrapDevice != nil {
		m.Device = o.WrapDevice(dev)
	}
	return m, nil
}

// load reads the weights, unless they are there.
func (m *Model) load(s graph.ModelSettings, log zerolog.Logger) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case !s.Set:
		return nil
	case m.network != nil && !reflect.DeepEqual(s, m.loaded):
		return graph.Errorf(graph.BadConfig, "the model that is shared is %s of %s, and this pipeline asks for %s of %s, or sets other keys of model.config",
			m.loaded.Variant, m.loaded.Weights, s.Variant, s.Weights)
	case m.network != nil:
		return nil
	}
	network, err := model.Load(m.Device, s)
	if err != nil {
		return err
	}
	for _, note := range network.Notes {
		log.Info().Msgf("weights: %s: %s", s.Weights, note)
	}
	m.network, m.loaded = network, s
	return nil
}

// Embedded reports whether the weights are those in the program.
func (m *Model) Embedded() bool { return m.network != nil && m.network.Nano }

// Close frees the weights and closes the device.
func (m *Model) Close() error {
	if m.network != nil {
		m.network.Close()
	}
	return m.plain.Close()
}
