package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// A pickle is a program for a stack machine. This one knows the instructions that torch.save emits
// (protocol 2) and the few that protocol 4 puts in their place, and it has no means to run
// anything: calling is reserved to the constructors that a global resolves to, and resolving is the
// caller's. Every other global is opaque: a name. Whatever the program does with it, calling it
// included, gives the same name again, so that a trainer's settings and numbers can lie beside the
// weights. It is small on purpose. A general unpickler allocates whatever length the bytes claim;
// here a string is a slice of the input, one instruction makes at most one value, and instructions
// are counted.
//
// The instructions are documented in CPython's Lib/pickletools.py.

const (
	maxPickle       = 64 << 20
	maxInstructions = 1 << 20
)

// Values are nil, bool, int64, float64, string, tuple, *list, *dict, and what the globals make.
type (
	tuple []any
	list  struct{ items []any }
	dict  struct{ keys, values []any }

	// callable is a global that may be called, by a name for messages.
	callable struct {
		name string
		call func(args tuple) (any, error)
	}

	// opaque is what was not constructed: an object of a class that is not among the callables.
	opaque struct {
		name string
		at   int // byte of the program that named it
	}
)

func (o *opaque) refusal() error {
	return fmt.Errorf("byte %d: refuses to construct %q: a checkpoint may only hold tensors, such as a module's state_dict()", o.at, o.name)
}

type unpickler struct {
	in         []byte
	pos        int
	stack      []any
	marks      []int // stack heights
	memo       map[uint32]any
	opaques    []*opaque // one for each name
	at         int       // where the instruction begins
	global     func(name string) (any, bool)
	persistent func(id any) (any, error)
}

var (
	errPickleEnds  = errors.New("the pickle ends too early")
	errPickleStack = errors.New("the pickle takes from an empty stack")
)

// run carries out the whole program and returns its value.
func (u *unpickler) run() (any, error) {
	if len(u.in) > maxPickle {
		return nil, fmt.Errorf("%d bytes are over the limit of %d", len(u.in), maxPickle)
	}
	u.memo = map[uint32]any{}
	for range maxInstructions {
		at := u.pos
		u.at = at
		op, err := u.take(1)
		if err != nil {
			return nil, fmt.Errorf("byte %d: %w", at, err)
		}
		if op[0] == '.' {
			v, err := u.pop()
			if err != nil {
				return nil, fmt.Errorf("byte %d: %w", at, err)
			}
			return v, nil
		}
		if err := u.step(op[0]); err != nil {
			return nil, fmt.Errorf("byte %d: %w", at, err)
		}
	}
	return nil, fmt.Errorf("more than %d instructions", maxInstructions)
}

// step carries out one instruction whose code has been read.
func (u *unpickler) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		v, err := u.take(1)
		if err == nil && v[0] > 5 {
			err = fmt.Errorf("pickle protocol %d is not known", v[0])
		}
		return err
	case 0x95: // FRAME
		_, err := u.take(8)
		return err

	case 'N':
		return u.push(nil)
	case 0x88:
		return u.push(true)
	case 0x89:
		return u.push(false)
	case 'K', 'M', 'J': // BININT1, BININT2, BININT
		v, err := u.take(map[byte]int{'K': 1, 'M': 2, 'J': 4}[op])
		if err != nil {
			return err
		}
		var b [4]byte
		copy(b[:], v)
		return u.push(int64(int32(binary.LittleEndian.Uint32(b[:]))))
	case 0x8a: // LONG1
		return u.long()
	case 'G': // BINFLOAT
		v, err := u.take(8)
		if err != nil {
			return err
		}
		return u.push(math.Float64frombits(binary.BigEndian.Uint64(v)))
	case 'X', 'T', 'B': // BINUNICODE, BINSTRING, BINBYTES
		return u.text(4)
	case 0x8d, 0x96: // BINUNICODE8, BYTEARRAY8
		return u.text(8)
	case 0x8c, 'U', 'C': // SHORT_BINUNICODE, SHORT_BINSTRING, SHORT_BINBYTES
		return u.text(1)

	case '(': // MARK
		u.marks = append(u.marks, len(u.stack))
		return nil
	case '0': // POP
		_, err := u.pop()
		return err
	case '1': // POP_MARK
		_, err := u.toMark()
		return err
	case '2': // DUP
		v, err := u.top()
		if err != nil {
			return err
		}
		return u.push(v)
	case 'q': // BINPUT
		return u.put(1)
	case 'r': // LONG_BINPUT
		return u.put(4)
	case 0x94: // MEMOIZE
		v, err := u.top()
		u.memo[uint32(len(u.memo))] = v
		return err
	case 'h': // BINGET
		return u.get(1)
	case 'j': // LONG_BINGET
		return u.get(4)

	case ')':
		return u.push(tuple{})
	case 0x85, 0x86, 0x87: // TUPLE1..3
		n := int(op-0x85) + 1
		if u.depth() < n {
			return errPickleStack
		}
		v := tuple(slices.Clone(u.stack[len(u.stack)-n:]))
		u.stack = u.stack[:len(u.stack)-n]
		return u.push(v)
	case 't': // TUPLE
		items, err := u.toMark()
		if err != nil {
			return err
		}
		return u.push(tuple(items))
	case ']':
		return u.push(&list{})
	case 'a', 'e': // APPEND, APPENDS
		items, err := u.items(op == 'a', 1)
		if err != nil {
			return err
		}
		if u.opaqueTop() {
			return nil
		}
		l, err := topAs[*list](u, "a list")
		if err != nil {
			return err
		}
		l.items = append(l.items, items...)
		return nil
	case '}':
		return u.push(&dict{})
	case 's', 'u': // SETITEM, SETITEMS
		items, err := u.items(op == 's', 2)
		if err != nil {
			return err
		}
		if u.opaqueTop() {
			return nil
		}
		d, err := topAs[*dict](u, "a dict")
		if err != nil {
			return err
		}
		if len(items)%2 != 0 {
			return errors.New("a key without a value")
		}
		for i := 0; i < len(items); i += 2 {
			d.keys, d.values = append(d.keys, items[i]), append(d.values, items[i+1])
		}
		return nil

	case 'c': // GLOBAL
		module, err := u.line()
		if err != nil {
			return err
		}
		name, err := u.line()
		if err != nil {
			return err
		}
		if strings.Contains(name, ".") { // reaches into an object: no class has such a name here
			return (&opaque{module + "." + name, u.at}).refusal()
		}
		return u.resolve(module, name)
	case 0x93: // STACK_GLOBAL
		items, err := u.items(true, 2)
		if err != nil {
			return err
		}
		module, ok1 := items[0].(string)
		name, ok2 := items[1].(string)
		if !ok1 || !ok2 {
			return errors.New("a global's name must be a string")
		}
		return u.resolve(module, name)
	case 'Q': // BINPERSID
		id, err := u.pop()
		if err != nil {
			return err
		}
		v, err := u.persistent(id)
		if err != nil {
			return err
		}
		return u.push(v)
	case 'R': // REDUCE
		items, err := u.items(true, 2)
		if err != nil {
			return err
		}
		if o, ok := items[0].(*opaque); ok {
			if args, _ := items[1].(tuple); o.name == "torch._utils._rebuild_tensor_v3" && len(args) > 6 {
				if dtype, ok := args[6].(*opaque); ok { // such as torch.float8_e4m3fn
					o = dtype
				}
			}
			return u.push(o)
		}
		f, ok := items[0].(callable)
		if !ok {
			return fmt.Errorf("refuses to call %s: a checkpoint may only hold tensors", kindOf(items[0]))
		}
		args, ok := items[1].(tuple)
		if !ok {
			return fmt.Errorf("%s: the arguments are %s, not a tuple", f.name, kindOf(items[1]))
		}
		v, err := f.call(args)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		return u.push(v)
	case 0x81, 0x92, 'o': // NEWOBJ, NEWOBJ_EX, OBJ: an object of a class, with its arguments
		items, err := u.items(op != 'o', map[byte]int{0x81: 2, 0x92: 3}[op])
		if err != nil {
			return err
		}
		if len(items) > 0 {
			if o, ok := items[0].(*opaque); ok {
				return u.push(o)
			}
		}
		return fmt.Errorf("refuses pickle instruction 0x%02x: a checkpoint may only hold tensors", op)
	case 0x8f: // EMPTY_SET
		return u.push(u.opaque("set"))
	case 0x90: // ADDITEMS
		if _, err := u.toMark(); err != nil {
			return err
		}
		if !u.opaqueTop() {
			return errors.New("items for what is no set")
		}
		return nil
	case 0x91: // FROZENSET
		if _, err := u.toMark(); err != nil {
			return err
		}
		return u.push(u.opaque("frozenset"))
	case 'b': // BUILD: the attributes of a module's state_dict (_metadata), which say nothing about tensors
		if _, err := u.pop(); err != nil {
			return err
		}
		if u.opaqueTop() {
			return nil
		}
		_, err := topAs[*dict](u, "a dict")
		return err
	}
	return fmt.Errorf("refuses pickle instruction 0x%02x: a checkpoint may only hold tensors", op)
}

func (u *unpickler) resolve(module, name string) error {
	full := module + "." + name
	if v, ok := u.global(full); ok {
		return u.push(v)
	}
	return u.push(u.opaque(full))
}

// opaque returns the value of a name that nothing is constructed of.
func (u *unpickler) opaque(name string) *opaque {
	for _, o := range u.opaques[:min(len(u.opaques), 64)] {
		if o.name == name {
			return o
		}
	}
	o := &opaque{name, u.at}
	u.opaques = append(u.opaques, o)
	return o
}

// opaqueTop reports whether the top of the stack is opaque.
func (u *unpickler) opaqueTop() bool {
	v, _ := u.top()
	_, ok := v.(*opaque)
	return ok
}
