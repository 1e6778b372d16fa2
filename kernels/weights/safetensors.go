package weights

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// A safetensors file is
//
//	8 bytes   little-endian length n of the header
//	n bytes   JSON: {"__metadata__": {string: string}, name: {"dtype", "shape", "data_offsets": [begin, end]}, ...}
//	the rest  the tensors' bytes, dense, row-major and little-endian, at their offsets from the end of the header
//
// The format says that tensors neither overlap nor leave holes and that the header is at most 100
// MB: https://github.com/huggingface/safetensors#format

const maxHeader = 100_000_000

var safetensorsTypes = map[string]kernels.DType{
	"F32": kernels.F32, "F16": kernels.F16, "BF16": kernels.BF16, "U8": kernels.U8, "I32": kernels.I32,
}

// foreignTypes are the bytes of an element of other types. New ones are added to the format now and
// then; of those, and of those that share bytes, the size is not checked.
var foreignTypes = map[string]int{
	"BOOL": 1, "I8": 1, "I16": 2, "U16": 2, "U32": 4, "I64": 8, "U64": 8, "C64": 8, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1,
}

var typeName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,31}$`)

type safetensorsEntry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets []uint64 `json:"data_offsets"`
}

// readSafetensors fills f from the bytes of a file.
func (f *File) readSafetensors(data []byte) error {
	if len(data) < 8 {
		return fmt.Errorf("byte 0: %d bytes cannot hold a header's length", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	switch {
	case n > maxHeader:
		return fmt.Errorf("byte 0: a header of %d bytes is over the limit of %d", n, maxHeader)
	case n > uint64(len(data)-8):
		return fmt.Errorf("byte 0: the header of %d bytes ends after the file's %d", n, len(data))
	}
	header, body := data[8:8+n], data[8+n:]
	if !utf8.Valid(header) {
		return errors.New("byte 8: the header is not UTF-8")
	}

	type span struct {
		name       string
		begin, end uint64
		at         int64 // of the entry in the file, for messages
	}
	var spans []span
	err := eachMember(header, func(name string, value json.RawMessage, at int64) error {
		if name == "__metadata__" {
			if f.Metadata != nil {
				return errors.New("__metadata__ is there twice")
			}
			if err := json.Unmarshal(value, &f.Metadata); err != nil || f.Metadata == nil {
				return errors.New("__metadata__ must map strings to strings")
			}
			return nil
		}
		var e safetensorsEntry
		dec := json.NewDecoder(bytes.NewReader(value))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&e); err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		dt, known := safetensorsTypes[e.DType]
		foreign := !known && e.DType != "F64"
		size := foreignTypes[e.DType]
		switch {
		case foreign && !typeName.MatchString(e.DType):
			return fmt.Errorf("tensor %q: dtype %q is not supported: want F32, F16, BF16 or F64", name, e.DType)
		case e.Shape == nil:
			return fmt.Errorf("tensor %q: no shape", name)
		case len(e.Offsets) != 2 || e.Offsets[0] > e.Offsets[1]:
			return fmt.Errorf("tensor %q: data_offsets must be [begin, end]", name)
		case e.Offsets[1] > uint64(len(body)):
			return fmt.Errorf("tensor %q: bytes %d to %d lie beyond the %d that the file holds", name, e.Offsets[0], e.Offsets[1], len(body))
		}
		spans = append(spans, span{name, e.Offsets[0], e.Offsets[1], at})
		data := body[e.Offsets[0]:e.Offsets[1]]
		if foreign {
			n, err := elements(e.Shape, max(size, 1))
			switch {
			case err != nil:
				return fmt.Errorf("tensor %q: %w", name, err)
			case size > 0 && n*size != len(data):
				return fmt.Errorf("tensor %q: %s%v is %d bytes, not %d", name, e.DType, e.Shape, n*size, len(data))
			}
			return f.addForeign(name, e.DType)
		}
		var t *Tensor
		var err error
		if known {
			t, err = New(name, dt, e.Shape, data)
		} else {
			t, err = newWide(name, e.Shape, data)
		}
		if err != nil {
			return err
		}
		t.file = f
		return f.add(t)
	})
	if err != nil {
		return err
	}

	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	end := uint64(0)
	for _, s := range spans {
		switch {
		case s.begin < end:
			return fmt.Errorf("byte %d: tensor %q: bytes %d to %d overlap another tensor's", s.at, s.name, s.begin, s.end)
		case s.begin > end:
			return fmt.Errorf("byte %d: tensor %q: bytes %d to %d before it belong to no tensor", s.at, s.name, end, s.begin)
		}
		end = s.end
	}
	if end != uint64(len(body)) {
		f.note("the last %d bytes of the file, from byte %d on, belong to no tensor: not read", uint64(len(body))-end, 8+n+end)
	}
	return nil
}

// eachMember calls fn for every member of a JSON object, duplicates included, with the member's
// place in the file.
func eachMember(header []byte, fn func(name string, value json.RawMessage, at int64) error) error {
	dec := json.NewDecoder(bytes.NewReader(header))
	fail := func(err error) error {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("byte %d: the header: %w", 8+dec.InputOffset(), err)
	}
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return fail(cmp.Or(err, errors.New("not a JSON object")))
	}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return fail(err)
		}
		at := 8 + dec.InputOffset()
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return fail(err)
		}
		if err := fn(tok.(string), value, at); err != nil {
			return fmt.Errorf("byte %d: %w", at, err)
		}
	}
	if _, err := dec.Token(); err != nil {
		return fail(err)
	}
	if rest := bytes.TrimRight(header[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return fail(errors.New("something follows the JSON object"))
	}
	return nil
}
