// Package model loads the network that [model] of a pipeline file names, and looks at checkpoints.
package model

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/graph/infile"
	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/weights"
	"github.com/seed49bbd0e6/tachi/pipelines/demo"
	"github.com/seed49bbd0e6/tachi/stages/internal/sam2"
)

// Model is a loaded network for graph.Env.
type Model struct {
	Network any      // what stages find in graph.Env.Model
	Notes   []string // what a user should know about how the weights were read
	Nano    bool     // it has the weights in the program, of which NanoNote speaks
	Bytes   int      // device memory of the weights
	close   func()
}

// NanoNote is what a user should know once about the weights in the program.
const NanoNote = "weights: nano, the small network in this program, trained on made-up video alone. Official weights: --variant tiny --weights FILE, see tachi model list"

// Close frees the weights.
func (m *Model) Close() { m.close() }

// config returns what [model] asks for.
func config(s graph.ModelSettings) (sam2.Config, error) {
	c, err := sam2.Variant(s.Variant)
	if err == nil && len(s.Config) > 0 {
		c, err = c.Override(s.Config)
	}
	if err != nil {
		return c, &graph.Error{Kind: graph.BadConfig, Err: fmt.Errorf("model: %w", err)}
	}
	return c, nil
}

// Check compares [model] with the networks that there are: the variant and every key of the
// configuration. The error is of type graph.Diagnostics, with the place of each mistake.
func Check(p *graph.Plan) error {
	if !p.Model.Set {
		return nil
	}
	if _, err := sam2.Variant(p.Model.Variant); err != nil {
		return graph.Diagnostics{p.Complain("model.variant", "%v", err)}
	}
	_, err := config(p.Model)
	problems, ok := errors.AsType[sam2.Problems](err)
	if !ok {
		return err
	}
	var all graph.Diagnostics
	for _, x := range problems {
		all = append(all, p.Complain("model.config."+x.Key, "%s", x.Text))
	}
	return all
}

// Load reads the weights that [model] names onto a device.
func Load(dev kernels.Device, s graph.ModelSettings) (*Model, error) {
	c, err := config(s)
	if err != nil {
		return nil, err
	}
	nano := s.Weights == "" || s.Weights == graph.Embedded
	if v := sam2.FindVariant(s.Variant); nano && !v.Embedded() {
		return nil, graph.Errorf(graph.BadConfig, "model: no weights of %q in the program, only of nano: give --weights FILE (tachi model list says where the official ones come from)", s.Variant)
	}
	file, err := openWeights(s.Weights)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	m, err := sam2.Load(dev, c, file)
	if err != nil {
		return nil, &graph.Error{Kind: graph.BadData, Err: err}
	}
	return &Model{Network: m, Notes: m.Notes, Nano: nano, Bytes: m.WeightBytes(), close: m.Close}, nil
}

// openWeights opens the weights of a path, or those in the program.
func openWeights(path string) (*weights.File, error) {
	if path == "" || path == graph.Embedded {
		return weights.Parse(graph.Embedded, demo.Nano)
	}
	file, err := weights.Open(path)
	if err != nil {
		return nil, &graph.Error{Kind: graph.BadData, Err: err}
	}
	return file, nil
}

func tensors(c sam2.Config, seed uint64) (all []*weights.Tensor) {
	for _, t := range sam2.Init(c, seed) {
		all = append(all, t)
	}
	return all
}

// Hash tells the weights that [model] names from others.
func Hash(s graph.ModelSettings) (string, error) {
	h := sha256.New()
	if s.Weights == "" || s.Weights == graph.Embedded {
		h.Write(demo.Nano)
	} else {
		paths, err := weights.Files(s.Weights)
		for _, path := range paths {
			if err == nil {
				err = copyFile(h, path)
			}
		}
		if err != nil {
			return "", &graph.Error{Kind: graph.BadData, Err: err}
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// copyFile writes what a file holds.
func copyFile(w io.Writer, path string) error {
	if err := infile.Regular(path); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// Dry makes the network that [model] names without values, on a device that counts what it takes.
func Dry(dev kernels.Device, s graph.ModelSettings) (*Model, error) {
	c, err := config(s)
	if err != nil {
		return nil, err
	}
	m, err := sam2.Dry(dev, c)
	if err != nil {
		return nil, &graph.Error{Kind: graph.BadConfig, Err: err}
	}
	return &Model{Network: m, Bytes: m.WeightBytes(), close: m.Close}, nil
}

// WriteRandom writes a random checkpoint of a variant in the official layout: torch's zip archive,
// or safetensors.
func WriteRandom(w io.Writer, variant string, keys map[string]any, seed uint64, safetensors bool) error {
	c, err := config(graph.ModelSettings{Variant: variant, Config: keys})
	if err != nil {
		return err
	}
	all := tensors(c, seed)
	if safetensors {
		return weights.WriteSafetensors(w, all, map[string]string{"format": "pt", "variant": c.Name})
	}
	return weights.WriteTorch(w, "archive", all)
}

// VariantInfo is one of the networks that there are.
type VariantInfo = sam2.VariantInfo

// Variants lists the networks by size.
func Variants() []VariantInfo { return sam2.Variants() }

// VariantHelp names them for the help of a flag.
func VariantHelp() string {
	var names []string
	for _, v := range sam2.Variants() {
		names = append(names, v.Name)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last] + "; with 2.0 behind it for SAM 2.0"
}

// Info is what tachi model info prints.
type ModelInfo struct {
	File        string         `json:"file"`
	Format      string         `json:"format"`
	Names       string         `json:"names"` // official or huggingface
	Variant     string         `json:"variant"`
	Exact       bool           `json:"exact"`                // every tensor is there with the right shape, and no other
	Is          string         `json:"is,omitempty"`         // what it is when it is not SAM 2
	Fits        bool           `json:"fits,omitempty"`       // it is the variant with the flags of Set
	Set         []string       `json:"set,omitempty"`        // flags with which it fits the variant
	Notes       []string       `json:"notes,omitempty"`      // what was done to the names, and how the file was read
	NotFinite   string         `json:"not_finite,omitempty"` // where there are NaN or infinities
	Tensors     int            `json:"tensors"`
	Parameters  int            `json:"parameters"`
	Bytes       map[string]int `json:"bytes"` // by dtype
	Missing     []string       `json:"missing,omitempty"`
	Unused      []string       `json:"unused,omitempty"`
	Wrong       []string       `json:"wrong,omitempty"`
	Skipped     []string       `json:"skipped,omitempty"` // tensors of types that no weight has
	TensorTable []TensorInfo   `json:"table,omitempty"`
}

// TensorInfo is one stored tensor.
type TensorInfo struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
}

// Inspect reads a checkpoint and compares it with the variants.
func Inspect(path string) (*ModelInfo, error) {
	f, err := openWeights(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, err := sam2.Detect(f)
	if err != nil {
		return nil, &graph.Error{Kind: graph.BadData, Err: err}
	}
	info := &ModelInfo{File: f.Path, Format: f.Format, Names: "official", Variant: d.Variant, Exact: d.Exact, Is: d.Is, Fits: d.Fits, Set: d.Set, Notes: d.Notes,
		NotFinite: d.NotFinite, Tensors: d.Tensors, Parameters: d.Parameters, Bytes: map[string]int{}, Missing: d.Missing, Unused: d.Unused, Wrong: d.Wrong,
		Skipped: d.Skipped}
	if base, _ := strings.CutSuffix(d.Variant, "2.0"); base == "tiny" && d.Exact {
		info.Notes = append(info.Notes, "fine-tunes for 512 pixels (MedSAM2) have the same shapes as tiny; if it is one: --set model.config.image_size=512")
	}
	if d.HuggingFace {
		info.Names = "huggingface"
	}
	for dt, n := range d.Bytes {
		info.Bytes[dt.String()] += n
	}
	for _, name := range f.Names() {
		t, _ := f.Lookup(name)
		info.TensorTable = append(info.TensorTable, TensorInfo{name, t.DType.String(), t.Shape})
	}
	return info, nil
}
