package weights

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What people have is often not one file. A folder of Hugging Face holds config.json and
// model.safetensors, or the latter in parts,
//
//	model-00001-of-00003.safetensors ...    model.safetensors.index.json: {"weight_map": {tensor: file}}
//
// and its cache holds such folders as snapshots/REVISION. Older ones have pytorch_model.bin.

// preferred are the files that are the weights of a folder, the best first.
var preferred = []string{"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"}

var (
	partName = regexp.MustCompile(`^(.*-)(\d{5})-of-(\d{5})(\.[a-z]+)$`)
	suffixes = []string{".safetensors", ".pt", ".pth", ".ckpt", ".bin"}
)

const (
	maxParts = 1000
	maxIndex = 64 << 20 // bytes
)

// Files returns the files that a path stands for: itself, all parts of a checkpoint of which it is
// a part or the index, or the weights in a folder.
func Files(path string) ([]string, error) {
	info, err := os.Stat(path)
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("%s: %w", path, p.Err)
	} else if err != nil {
		return nil, err
	}
	if info.IsDir() {
		if path, err = inFolder(path); err != nil {
			return nil, err
		}
	}
	folder, name := filepath.Split(path)
	if strings.HasSuffix(name, ".index.json") {
		parts, err := indexed(path)
		if err != nil {
			return nil, err
		}
		return complete(path, folder, parts)
	}
	if parts := siblings(name); parts != nil {
		return complete(path, folder, parts)
	}
	return []string{path}, nil
}

// inFolder returns the weights in a folder.
func inFolder(folder string) (string, error) {
	if revisions, err := filepath.Glob(filepath.Join(folder, "snapshots", "*")); err == nil && len(revisions) > 0 {
		inner := revisions[0]
		if main, err := readSmall(filepath.Join(folder, "refs", "main"), 256); err == nil {
			if named := filepath.Join(folder, "snapshots", filepath.Base(strings.TrimSpace(string(main)))); slices.Contains(revisions, named) {
				inner = named
			}
		} else if len(revisions) > 1 {
			return "", fmt.Errorf("%s: several revisions in this folder: name one: %s", folder, Some(revisions, 3))
		}
		folder = inner
	}
	if typ := modelType(folder); typ != "" && !strings.Contains(typ, "sam2") {
		return "", fmt.Errorf("%s: a folder of a %.60q model, not of SAM 2 (model_type in config.json)", folder, typ)
	}
	entries, err := os.ReadDir(folder)
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return "", fmt.Errorf("%s: %w", folder, p.Err)
	} else if err != nil {
		return "", err
	}
	var names, all []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	for _, p := range preferred {
		if slices.Contains(names, p) {
			return filepath.Join(folder, p), nil
		}
	}
	groups := map[string]bool{} // parts of one checkpoint count once
	for _, n := range names {
		group := n
		if m := partName.FindStringSubmatch(n); m != nil {
			group = m[1] + m[3] + m[4]
		}
		if slices.Contains(suffixes, filepath.Ext(n)) && !groups[group] {
			groups[group] = true
			all = append(all, n)
		}
	}
	switch len(all) {
	case 0:
		return "", fmt.Errorf("%s: no weights in this folder (%s, or one file that ends in %s)", folder, preferred[0], strings.Join(suffixes, ", "))
	case 1:
		return filepath.Join(folder, all[0]), nil
	}
	return "", fmt.Errorf("%s: several checkpoints in this folder: name one: %s", folder, Some(all, 4))
}

// modelType returns what config.json calls the model, empty when it does not.
func modelType(folder string) string {
	var config struct {
		ModelType string `json:"model_type"`
	}
	if text, err := readSmall(filepath.Join(folder, "config.json"), 1<<20); err == nil {
		_ = json.Unmarshal(text, &config)
	}
	return config.ModelType
}

// indexed returns the files that an index names, in order.
func indexed(path string) ([]string, error) {
	text, err := readSmall(path, maxIndex)
	if err != nil {
		return nil, err
	}
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, fmt.Errorf("%s: not an index of parts: %w", path, err)
	}
	parts := slices.Compact(slices.Sorted(maps.Values(index.WeightMap)))
	if len(parts) == 0 || len(parts) > maxParts {
		return nil, fmt.Errorf("%s: the index names %d files, want 1 to %d (weight_map)", path, len(parts), maxParts)
	}
	for _, p := range parts {
		if p == "" || p == "." || p == ".." || strings.ContainsAny(p, "/\\\x00") {
			return nil, fmt.Errorf("%s: the index names %.80q, which is not a file in its folder", path, p)
		}
	}
	return parts, nil
}

// siblings returns the names of all parts, nil when name is not that of one of several.
func siblings(name string) []string {
	m := partName.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	at, _ := strconv.Atoi(m[2])
	n, _ := strconv.Atoi(m[3])
	if at < 1 || at > n || n > maxParts {
		return nil
	}
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf("%s%05d-of-%s%s", m[1], i+1, m[3], m[4]))
	}
	return parts
}

// complete returns the parts' paths, or an error that names those that are not there.
func complete(path, folder string, parts []string) ([]string, error) {
	var paths, missing []string
	for _, p := range parts {
		full := filepath.Join(folder, p)
		if _, err := os.Stat(full); err != nil {
			missing = append(missing, p)
		}
		paths = append(paths, full)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s: %d of the checkpoint's %d parts are not in its folder: %s", path, len(missing), len(parts), Some(missing, 4))
	}
	return paths, nil
}

// readSmall reads a regular file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, irregular(path, info.Mode())
	}
	f, err := os.Open(path)
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("%s: %w", path, p.Err)
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s: over %d bytes", path, limit)
	}
	return text, nil
}
