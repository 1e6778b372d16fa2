package main

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed49bbd0e6/tachi/graph"
	"github.com/seed49bbd0e6/tachi/stages/model"
	"github.com/seed49bbd0e6/tachi/stages/output"
)

// modelCmd groups the verbs about weights.
type modelCmd struct {
	Info modelInfoCmd `cmd:"" help:"Say what a checkpoint holds and which variant it is."`
	Init modelInitCmd `cmd:"" help:"Write a checkpoint of random weights in the official layout, for tests and benchmarks."`
	List modelListCmd `cmd:"" help:"List the variants and where their official weights come from."`
}

type modelInfoCmd struct {
	File    string `arg:"" help:"A .pt or .safetensors checkpoint, a Hugging Face folder, or embedded for the weights in the program."`
	Tensors bool   `help:"List every tensor."`
}

// Run prints what the file holds.
func (c *modelInfoCmd) Run(a *app) error {
	m, err := model.Inspect(c.File)
	if err != nil {
		return err
	}
	if !c.Tensors {
		defer func(t []model.TensorInfo) { m.TensorTable = t }(m.TensorTable)
		if a.JSON {
			m.TensorTable = nil
		}
	}
	if a.JSON {
		return writeJSON(a, m)
	}
	variant := m.Variant + " (exactly)"
	switch {
	case m.Exact:
	case m.Is != "":
		variant = "none: " + m.Is
	case m.Fits:
		variant = m.Variant + " (with " + strings.Join(m.Set, " ") + ")"
	default:
		variant = fmt.Sprintf("%s (nearest: %d missing, %d unused, %d wrong)", m.Variant, len(m.Missing), len(m.Unused), len(m.Wrong))
	}
	fmt.Fprintf(a.out, "%s: %s, %s names\nvariant    %s\ntensors    %d\nparameters %d\n", m.File, m.Format, m.Names, variant, m.Tensors, m.Parameters)
	for _, dtype := range slices.Sorted(maps.Keys(m.Bytes)) {
		fmt.Fprintf(a.out, "%-10s %s\n", dtype, graph.Size(m.Bytes[dtype]))
	}
	if m.NotFinite != "" {
		fmt.Fprintf(a.out, "%-10s %s\n", "damaged", m.NotFinite)
	}
	for _, note := range m.Notes {
		fmt.Fprintf(a.out, "%-10s %s\n", "note", note)
	}
	for _, l := range []struct {
		what  string
		names []string
	}{{"missing", m.Missing}, {"unused", m.Unused}, {"wrong", m.Wrong}, {"skipped", m.Skipped}} {
		if len(l.names) > 0 && (m.Is == "" || c.Tensors) {
			fmt.Fprintf(a.out, "%-10s %s\n", l.what, strings.Join(l.names, ", "))
		}
	}
	if c.Tensors {
		for _, t := range m.TensorTable {
			fmt.Fprintf(a.out, "%-5s %-18v %s\n", t.DType, t.Shape, t.Name)
		}
	}
	return nil
}

type modelInitCmd struct {
	Variant   string         `default:"nano" help:"${variants}."`
	Seed      uint64         `default:"7" help:"What the values follow from."`
	Config    map[string]any `hidden:""`
	Out       string         `short:"o" required:"" placeholder:"FILE" help:"Output, .pt or .safetensors."`
	Overwrite bool           `help:"Replace an existing file."`
}

// Run writes the checkpoint under a temporary name and renames it when it is whole.
func (c *modelInitCmd) Run(a *app) error {
	ext := filepath.Ext(c.Out)
	if ext != ".pt" && ext != ".safetensors" {
		return usagef("-o %s: the name must end in .pt or .safetensors", c.Out)
	}
	f, err := output.Create(c.Out, c.Overwrite)
	if err != nil {
		return err
	}
	if err := model.WriteRandom(f, c.Variant, c.Config, c.Seed, ext == ".safetensors"); err != nil {
		f.Discard()
		return err
	}
	if err := f.Commit(); err != nil {
		return err
	}
	return a.wrote(c.Out)
}

type modelListCmd struct{}

// Run prints the table.
func (modelListCmd) Run(a *app) error {
	type row struct {
		Variant    string `json:"variant"`
		Parameters string `json:"parameters"`
		Size       string `json:"size"`
		Weights    string `json:"weights"`
	}
	var rows []row
	var license string // of the official weights
	for _, v := range model.Variants() {
		if !v.Embedded() {
			license = v.License
		}
		parameters, size := float64(v.Parameters())/1e6, float64(v.Bytes())/1e6
		rows = append(rows, row{v.Name, fmt.Sprintf("%.1f M", parameters), fmt.Sprintf("%.0f MB", size),
			cmp.Or(v.Official, "in the program")})
	}
	if a.JSON {
		for _, r := range rows {
			if err := writeJSON(a, r); err != nil {
				return err
			}
		}
		return nil
	}
	fmt.Fprintf(a.out, "%-10s %-15s %-8s %s\n", "variant", "parameters", "size", "weights")
	for _, r := range rows {
		fmt.Fprintf(a.out, "%-10s %-15s %-8s %s\n", r.Variant, r.Parameters, r.Size, r.Weights)
	}
	fmt.Fprintf(a.out, "\nThe .pt files are Meta's, %s, linked from the README of the GitHub repository facebookresearch/sam2;\n"+
		"the facebook/sam2.1-hiera-* models of Hugging Face (model.safetensors) work as well. SAM 2.0 files: add 2.0 to the variant.\n"+
		"tachi downloads nothing.\n", license)
	return nil
}
