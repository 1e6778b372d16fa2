//go:build cuda

package cuda

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/seed49bbd0e6/tachi/kernels"
	"github.com/seed49bbd0e6/tachi/kernels/cuda/internal/cuext"
)

func TestWithoutAGPUTheErrorSaysSo(t *testing.T) {
	n, err := Devices()
	if err == nil {
		t.Skipf("there are %d", n)
	}
	if _, other := New(0, Float32); other == nil || other.Error() != err.Error() {
		t.Errorf("New says %v, Devices %v", other, err)
	}
	if !strings.HasPrefix(err.Error(), "no CUDA device: ") {
		t.Errorf("%v", err)
	}
}

func TestTheEmbeddedPTXNamesWhatItNeeds(t *testing.T) {
	if got, want := requirements(ptx), (requirement{cuda: 1204, arch: 80}); got != want {
		t.Errorf("needs %+v, want %+v", got, want)
	}
	if got, want := requirements("// x\n.version 7.8\n.target sm_90a\n"), (requirement{cuda: 1108, arch: 90}); got != want {
		t.Errorf("needs %+v, want %+v", got, want)
	}
}

func TestAStickyErrorIsTheLast(t *testing.T) {
	d := &driver{name: "cuda:0"}
	if err := d.failed("add", &cuext.Error{Code: 1}); err == nil || d.gone() != nil {
		t.Fatalf("an invalid value: %v, then %v", err, d.gone())
	}
	if err := d.failed("add", cu.IllegalAddress); !errors.Is(err, d.gone()) || d.gone() == nil {
		t.Fatalf("an illegal address: %v, then %v", err, d.gone())
	}
	_ = d.failed("fill", cu.LaunchFailed)
	for what, err := range map[string]error{
		"alloc": second(d.alloc(1)), "free": d.free(1), "upload": d.upload(1, []byte{1}), "download": d.download([]byte{1}, 1),
		"launch": d.launch("fill", dim{1, 1, 1}, dim{1, 1, 1}, 0, nil, 0), "sync": d.sync(),
	} {
		lost, ok := errors.AsType[*LostError](err)
		if !ok || lost.During != "add" {
			t.Errorf("%s after the device was lost in add: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// What follows needs a GPU.

func TestADeviceIndexOutOfRangeIsAnError(t *testing.T) {
	n, err := Devices()
	if err != nil {
		t.Skip(err)
	}
	want := fmt.Sprintf("cuda:%d: there are %d, counted from 0", n, n)
	if _, err := New(n, Float32); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCopiesOfAnySizeFromManyGoroutines(t *testing.T) {
	d := open(t, Float32)
	var group sync.WaitGroup
	for i, size := range []int{1, 255, uploadChunk - 1, uploadChunk, uploadChunk + 1, 10*uploadChunk + 3, downloadMost + 5} {
		group.Go(func() {
			src, dst := make([]byte, size), make([]byte, size)
			random := rand.NewChaCha8([32]byte{byte(i)})
			at, err := d.be.alloc(size)
			if err != nil {
				t.Error(err)
				return
			}
			if at%256 != 0 {
				t.Errorf("%d bytes at %#x", size, at)
			}
			for range 3 {
				_, _ = random.Read(src)
				want := bytes.Clone(src)
				err := d.be.upload(at, src)
				clear(src) // src is the caller's again
				if err = errors.Join(err, d.be.download(dst, at)); err != nil || !bytes.Equal(dst, want) {
					t.Errorf("%d bytes came back different (%v)", size, err)
				}
			}
			if err := d.be.free(at); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestTooLargeAnAllocationIsAnOutOfMemoryError(t *testing.T) {
	d := open(t, Float32)
	free, total, err := d.MemInfo()
	if err != nil || free <= 0 || free > total {
		t.Fatalf("%d of %d bytes are free (%v)", free, total, err)
	}
	_, err = d.Alloc(kernels.U8, total+1)
	if full, ok := errors.AsType[*kernels.OutOfMemoryError](err); !ok || full.Asked != total+1 {
		t.Fatalf("%d bytes of %d: %v", total+1, total, err)
	}
	x, err := d.Alloc(kernels.U8, 1<<20)
	if err != nil {
		t.Fatalf("after that: %v", err)
	}
	d.Free(x)
}

func TestAnUnknownKernelIsAnError(t *testing.T) {
	d := open(t, Float32)
	err := launch(d, "nothing", dim{1, 1, 1}, dim{1, 1, 1}, 0, fillArgs{})
	if err == nil || !strings.HasPrefix(err.Error(), "cuda:0: nothing: ") {
		t.Error(err)
	}
}

func TestACapturedGraphDoesItsWorkEachTime(t *testing.T) {
	d := open(t, Float32)
	be := d.be.(*driver)
	x, err := kernels.Write(d, kernels.F32, []float32{1, 2, 3, 4}, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Free(x)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	double := kernels.Add{A: x, B: x, Y: x, Alpha: 1}
	ok(d.Do(double)) // looks the kernel up
	ok(cuext.BeginCapture(be.ctx, be.stream))
	ok(d.Do(double))
	g, err := cuext.EndCapture(be.ctx, be.stream)
	ok(err)
	ok(g.Launch(be.ctx, be.stream))
	ok(g.Launch(be.ctx, be.stream))
	got, err := kernels.Read[float32](d, x)
	ok(err)
	ok(g.Free(be.ctx))
	if want := [4]float32{8, 16, 24, 32}; [4]float32(got) != want {
		t.Errorf("doubled once and twice by the graph: %v, want %v", got, want)
	}
}

// A lost context is lost for the whole process, so that another one loses it.
func TestLosingTheDevice(t *testing.T) {
	const child = "TACHI_TEST_LOSE_DEVICE"
	if os.Getenv(child) == "" {
		if _, err := Devices(); err != nil {
			t.Skip(err)
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestLosingTheDevice$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	d, err := New(0, Float32)
	if err != nil {
		t.Fatal(err)
	}
	args := fillArgs{y: 64, n: 1}
	err = d.be.launch("fill", dim{1, 1, 1}, dim{1, 1, 1}, 0, unsafe.Pointer(&args), unsafe.Sizeof(args))
	err = errors.Join(err, d.Sync())
	if _, ok := errors.AsType[*LostError](err); !ok {
		t.Fatalf("a write to nowhere: %v", err)
	}
	if _, err := d.Alloc(kernels.F32, 1); !errors.Is(err, d.be.(*driver).gone()) {
		t.Errorf("alloc afterwards: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("close afterwards: %v", err)
	}
	t.Log(err)
}
