package cpu

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"unsafe"
)

// guarded is a heap that notices what is done beside a block. Every block is a new one of just the
// size that was asked for. It ends where a page begins that nobody may touch, or with front it
// begins where such a page ends: an access there ends the process. Where a block has to be aligned,
// or on its other side, bytes are left over in its pages; they are looked at when the block is
// freed. They and the block itself are NaN at first, so that whoever reads what was not written
// finds out.
type guarded struct {
	front bool

	mu     sync.Mutex
	blocks map[unsafe.Pointer]guardedBlock
	wrong  []string // what was found
}

type guardedBlock struct {
	pages    []byte // with the two guards
	from, to int    // the block in pages
}

var page = os.Getpagesize()

// What is in memory that was not written: floats that are NaN, another one beside blocks than
// inside.
var (
	inside  = bytes.Repeat([]byte{0xe5, 0xe5, 0xe5, 0x7f}, 4096)
	outside = bytes.Repeat([]byte{0xa6, 0xa6, 0xe6, 0xff}, 4096)
)

// paint fills b with a pattern that lies from a page's begin on.
func paint(b, pattern []byte, from int) {
	for i := 0; i < len(b); {
		i += copy(b[i:], pattern[(from+i)%4:])
	}
}

func (g *guarded) round(size int) int { return size }

func (g *guarded) get(size, align int) unsafe.Pointer {
	usable := (size + align + page) / page * page
	b := guardedBlock{}
	var err error
	if b.pages, err = syscall.Mmap(-1, 0, usable+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE); err != nil {
		return nil
	}
	end := page + usable
	for _, guard := range [][]byte{b.pages[:page], b.pages[end:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			panic(err)
		}
	}
	if b.from = (end - size) &^ (align - 1); g.front {
		b.from = page
	}
	b.to = b.from + size
	paint(b.pages[page:b.from], outside, page)
	paint(b.pages[b.from:b.to], inside, b.from)
	paint(b.pages[b.to:end], outside, b.to)
	p := unsafe.Pointer(&b.pages[b.from : b.from+1][0])
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.blocks == nil {
		g.blocks = map[unsafe.Pointer]guardedBlock{}
	}
	g.blocks[p] = b
	return p
}

func (g *guarded) put(p unsafe.Pointer, size int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b, ok := g.blocks[p]
	if !ok || b.to-b.from != size {
		panic(fmt.Sprintf("%d bytes at %p are freed, which were not allocated so", size, p))
	}
	delete(g.blocks, p)
	for i := page; i < len(b.pages)-page; i++ {
		if i == b.from {
			i = b.to
			if i == len(b.pages)-page {
				break
			}
		}
		if b.pages[i] != outside[i%4] {
			g.wrong = append(g.wrong, fmt.Sprintf("byte %d of a block of %d was written", i-b.from, size))
			break
		}
	}
	if err := syscall.Munmap(b.pages); err != nil {
		panic(err)
	}
}

// guard returns a device with guarded memory. At the end of the test it is closed, and what was
// found fails the test.
func guard(t testing.TB, set string, threads int, front bool) *Device {
	g := &guarded{front: front}
	d := newDevice(kernelsOf(t, set), threads, g, 0)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		for _, w := range g.wrong {
			t.Error(w)
		}
		if len(g.blocks) > 0 {
			t.Errorf("%d blocks were never freed", len(g.blocks))
		}
	})
	return d
}

func TestGuardedMemorySeesWhatIsWrittenBesideABlock(t *testing.T) {
	for _, front := range []bool{false, true} {
		for _, size := range []int{1, 60, 64, 4096, 5000} {
			for _, beside := range []int{-1, size} {
				g := &guarded{front: front}
				p := g.get(size, 64)
				if uintptr(p)%64 != 0 {
					t.Errorf("a block of %d bytes is at %p", size, p)
				}
				block := unsafe.Slice((*byte)(p), size)
				clear(block)
				if touchable(g, p, beside) {
					*(*byte)(unsafe.Add(p, beside)) = 0
					if g.put(p, size); len(g.wrong) != 1 {
						t.Errorf("byte %d beside a block of %d was written: found %q", beside, size, g.wrong)
					}
				} else if g.put(p, size); len(g.wrong) != 0 {
					t.Errorf("nothing was written beside a block of %d: found %q", size, g.wrong)
				}
			}
		}
	}
}

// touchable reports whether byte i of a block lies in a page that may be touched. If not, an access
// ends the process.
func touchable(g *guarded, p unsafe.Pointer, i int) bool {
	b := g.blocks[p]
	return b.from+i >= page && b.from+i < len(b.pages)-page
}

func TestABlockOfWholeVectorsEndsAtAPageThatNobodyMayTouch(t *testing.T) {
	for _, align := range []int{1, 64} {
		for _, size := range []int{64, 640, 4096, 8128} {
			back, front := &guarded{}, &guarded{front: true}
			p, q := back.get(size, align), front.get(size, align)
			if touchable(back, p, size) || touchable(front, q, -1) {
				t.Errorf("%d bytes aligned to %d: what is beside them may be touched", size, align)
			}
			back.put(p, size)
			front.put(q, size)
		}
	}
}
