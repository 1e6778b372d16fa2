package graph

import (
	"fmt"
	"reflect"
)

// Stages speak in structs, one field for each port; edges carry one value for each port. The two
// functions below are the only ones that know how a struct becomes values and values a struct.

// Inputs puts the input struct of one firing together. values has one value for each input port;
// a nil leaves the field at its zero value.
func (s *Stage) Inputs(values []any) any {
	in := reflect.New(s.InType)
	for i, v := range values {
		if v != nil {
			in.Elem().Field(s.In[i].Field).Set(reflect.ValueOf(v))
		}
	}
	return in.Interface()
}

// Outputs takes an output struct apart: one value for each output port. The error says that the
// stage has answered with something else than its output struct.
func (s *Stage) Outputs(out any) ([]any, error) { return s.AppendOutputs(nil, out) }

// AppendOutputs is Outputs that appends the values to a slice.
func (s *Stage) AppendOutputs(values []any, out any) ([]any, error) {
	if len(s.Out) == 0 {
		return values, nil
	}
	v := reflect.ValueOf(out)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem() != s.OutType {
		return nil, fmt.Errorf("stage %q answered %T, not *%v", s.Name, out, s.OutType)
	}
	for i := range s.Out {
		values = append(values, v.Elem().Field(s.Out[i].Field).Interface())
	}
	return values, nil
}

// Held returns the device memory in a token, nil when it holds none.
func Held(token any) Resident {
	r, ok := token.(Resident)
	if !ok {
		return nil
	}
	switch v := reflect.ValueOf(token); v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan:
		if v.IsNil() {
			return nil
		}
	}
	return r
}

// Release releases the device memory in an output struct that no one will read.
func (s *Stage) Release(out any) {
	values, err := s.Outputs(out)
	if err != nil {
		return
	}
	for _, v := range values {
		if r := Held(v); r != nil {
			r.Release()
		}
	}
}
