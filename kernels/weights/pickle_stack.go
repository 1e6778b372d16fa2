package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The unpickler's hands: taking bytes from the program, and values from the stack. Both ends are
// checked here, so that no instruction can reach beyond either. A mark is a floor: nothing above it
// reaches below.

// take returns the next n bytes of the program.
func (u *unpickler) take(n int) ([]byte, error) {
	if n < 0 || n > len(u.in)-u.pos {
		return nil, errPickleEnds
	}
	u.pos += n
	return u.in[u.pos-n : u.pos], nil
}

// size reads a length or an index of n bytes.
func (u *unpickler) size(n int) (uint32, error) {
	v, err := u.take(n)
	if err != nil {
		return 0, err
	}
	var b [4]byte
	copy(b[:], v)
	return binary.LittleEndian.Uint32(b[:]), nil
}

func (u *unpickler) line() (string, error) {
	i := slices.Index(u.in[u.pos:min(len(u.in), u.pos+256)], '\n')
	if i < 0 {
		return "", errPickleEnds
	}
	v, err := u.take(i + 1)
	return string(v[:i]), err
}

func (u *unpickler) text(width int) error {
	n, err := u.size(min(width, 4))
	if err == nil && width == 8 {
		var high uint32
		if high, err = u.size(4); err == nil && high != 0 {
			err = errPickleEnds
		}
	}
	if err != nil {
		return err
	}
	v, err := u.take(int(n))
	if err != nil {
		return err
	}
	return u.push(strings.ToValidUTF8(string(v), "\uFFFD"))
}

func (u *unpickler) long() error {
	n, err := u.size(1)
	if err != nil {
		return err
	}
	v, err := u.take(int(n))
	if err != nil {
		return err
	}
	switch {
	case n > 64:
		return fmt.Errorf("an integer of %d bytes is too large", n)
	case n > 8: // the state of a random generator
		return u.push(u.opaque("a long integer"))
	}
	var b [8]byte
	if n > 0 && v[n-1]&0x80 != 0 {
		for i := range b {
			b[i] = 0xff
		}
	}
	copy(b[:], v)
	return u.push(int64(binary.LittleEndian.Uint64(b[:])))
}

func (u *unpickler) put(width int) error {
	i, err := u.size(width)
	if err != nil {
		return err
	}
	v, err := u.top()
	if err == nil {
		u.memo[i] = v
	}
	return err
}

func (u *unpickler) get(width int) error {
	i, err := u.size(width)
	if err != nil {
		return err
	}
	v, ok := u.memo[i]
	if !ok {
		return fmt.Errorf("memo %d was never set", i)
	}
	return u.push(v)
}

func (u *unpickler) push(v any) error {
	u.stack = append(u.stack, v)
	return nil
}

// depth returns how many values lie above the last mark.
func (u *unpickler) depth() int {
	if len(u.marks) == 0 {
		return len(u.stack)
	}
	return len(u.stack) - u.marks[len(u.marks)-1]
}

func (u *unpickler) top() (any, error) {
	if u.depth() < 1 {
		return nil, errPickleStack
	}
	return u.stack[len(u.stack)-1], nil
}

func (u *unpickler) pop() (any, error) {
	v, err := u.top()
	if err == nil {
		u.stack = u.stack[:len(u.stack)-1]
	}
	return v, err
}

// toMark pops the last mark and the values above it.
func (u *unpickler) toMark() ([]any, error) {
	if len(u.marks) == 0 {
		return nil, errors.New("the pickle takes to a mark that it never set")
	}
	from := u.marks[len(u.marks)-1]
	u.marks = u.marks[:len(u.marks)-1]
	items := slices.Clone(u.stack[from:])
	u.stack = u.stack[:from]
	return items, nil
}

// items pops n values, or all those above the last mark.
func (u *unpickler) items(counted bool, n int) ([]any, error) {
	if !counted {
		return u.toMark()
	}
	if u.depth() < n {
		return nil, errPickleStack
	}
	items := slices.Clone(u.stack[len(u.stack)-n:])
	u.stack = u.stack[:len(u.stack)-n]
	return items, nil
}

// topAs returns the top of the stack, which must be of type T.
func topAs[T any](u *unpickler, what string) (T, error) {
	v, err := u.top()
	if err != nil {
		var zero T
		return zero, err
	}
	t, ok := v.(T)
	if !ok {
		return t, fmt.Errorf("%s where %s must be", kindOf(v), what)
	}
	return t, nil
}

// kindOf names a value's kind for messages. It never looks inside containers, which may hold
// themselves.
func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64, float64:
		return fmt.Sprintf("the number %v", v)
	case string:
		return fmt.Sprintf("the string %.40q", v)
	case tuple:
		return "a tuple"
	case *list:
		return "a list"
	case *dict:
		return "a dict"
	case callable:
		return v.name
	case *opaque:
		return v.name
	case storageType:
		return v.name
	case storage:
		return "a storage"
	case *Tensor, foreign:
		return "a tensor"
	}
	return fmt.Sprintf("%T", v)
}
