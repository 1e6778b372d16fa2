package weights

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/seed49bbd0e6/tachi/kernels"
)

// WriteTorch writes tensors, in their order, as torch.save writes {"model": OrderedDict}: each in a
// storage of its own that begins at a multiple of 64 bytes. The root names the folder inside the
// archive; torch uses the file's stem. Tensors are read one at a time.
func WriteTorch(w io.Writer, root string, tensors []*Tensor) error {
	out := &torchWriter{root: root, count: counter{w: bufio.NewWriterSize(w, 1<<20)}}
	out.zip = zip.NewWriter(&out.count)
	program, err := torchPickle(tensors)
	if err != nil {
		return err
	}
	if err := out.entry("data.pkl", program); err != nil {
		return err
	}
	if err := out.entry("byteorder", []byte("little")); err != nil {
		return err
	}
	for i, t := range tensors {
		data, err := t.Dense()
		if err != nil {
			return err
		}
		if err := out.entry(fmt.Sprintf("data/%d", i), data); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
	}
	if err := out.entry("version", []byte("3\n")); err != nil {
		return err
	}
	if err := out.zip.Close(); err != nil {
		return err
	}
	return out.count.w.Flush()
}

type torchWriter struct {
	root  string
	zip   *zip.Writer
	count counter
}

// entry writes a stored entry whose data begins at a multiple of 64 bytes: the local header is 30
// bytes, the name and an extra field, and torch pads the latter with a field called "FB". Size and
// checksum go into the header, so that nothing comes between the data and the next entry.
func (o *torchWriter) entry(name string, data []byte) error {
	if err := o.zip.Flush(); err != nil {
		return err
	}
	h := &zip.FileHeader{
		Name: o.root + "/" + name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(data),
		CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(len(data)),
	}
	start := o.count.n + 30 + int64(len(h.Name)) + 4
	pad := int(-start & 63)
	h.Extra = append([]byte{'F', 'B', byte(pad), 0}, strings.Repeat("Z", pad)...)
	body, err := o.zip.CreateRaw(h)
	if err != nil {
		return err
	}
	_, err = body.Write(data)
	return err
}

// counter knows how many bytes have passed.
type counter struct {
	w *bufio.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// torchPickle returns the program that builds {"model": OrderedDict} over the storages 0, 1, 2, ...
func torchPickle(tensors []*Tensor) ([]byte, error) {
	var p pickler
	p.op("\x80\x02}").text("model").op("ccollections\nOrderedDict\n)R(")
	seen := map[string]bool{}
	for i, t := range tensors {
		if seen[t.Name] {
			return nil, fmt.Errorf("tensor name %q is taken", t.Name)
		}
		seen[t.Name] = true
		stride := make([]int, len(t.Shape))
		for axis, n := len(stride)-1, 1; axis >= 0; axis-- {
			stride[axis] = n
			n *= max(t.Shape[axis], 1)
		}
		p.text(t.Name).op("ctorch._utils\n_rebuild_tensor_v2\n(")
		p.op("(").text("storage").op("ctorch\n" + torchStorage[t.DType] + "\n").text(fmt.Sprint(i)).text("cpu").int(t.Len()).op("tQ")
		p.int(0).tuple(t.Shape).tuple(stride).op("\x89ccollections\nOrderedDict\n)RtR")
	}
	return p.op("us.").b.Bytes(), nil
}

var torchStorage = map[kernels.DType]string{
	kernels.F32: "FloatStorage", kernels.F16: "HalfStorage", kernels.BF16: "BFloat16Storage",
	kernels.U8: "ByteStorage", kernels.I32: "IntStorage",
}

// pickler writes the instructions of pickle protocol 2.
type pickler struct{ b bytes.Buffer }

func (p *pickler) op(code string) *pickler {
	p.b.WriteString(code)
	return p
}

func (p *pickler) text(s string) *pickler {
	p.b.WriteByte('X') // BINUNICODE
	p.b.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	return p.op(s)
}

func (p *pickler) int(v int) *pickler {
	if int64(v) == int64(int32(v)) {
		p.b.WriteByte('J') // BININT
		p.b.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
		return p
	}
	p.op("\x8a\x08") // LONG1 of 8 bytes
	p.b.Write(binary.LittleEndian.AppendUint64(nil, uint64(v)))
	return p
}

func (p *pickler) tuple(list []int) *pickler {
	p.op("(")
	for _, v := range list {
		p.int(v)
	}
	return p.op("t")
}
