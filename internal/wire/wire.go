// Package wire encodes plain exported data (structs, slices, maps, strings, numbers, booleans, pointers) as bytes
// and back. Both ends are the same binary, so a value is its fields in order, without names or types: no table
// of types is built at start and none crosses, which is what encoding/gob and JSON cost.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
)

// ErrMalformed is returned for bytes that are not the encoding of the wanted type.
var ErrMalformed = errors.New("malformed message")

// Marshal appends the encoding of v to b. It panics on a type that it does not know: that is a bug.
func Marshal(b []byte, v any) []byte {
	return encode(b, reflect.ValueOf(v))
}

// Append is Marshal for who has a reflect.Value already.
func Append(b []byte, v reflect.Value) []byte { return encode(b, v) }

func encode(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return binary.AppendVarint(b, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return binary.AppendUvarint(b, v.Uint())
	case reflect.String:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		return append(b, v.String()...)
	case reflect.Slice:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return append(b, v.Bytes()...)
		}
		for i := range v.Len() {
			b = encode(b, v.Index(i))
		}
		return b
	case reflect.Array:
		for i := range v.Len() {
			b = encode(b, v.Index(i))
		}
		return b
	case reflect.Map:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		for it := v.MapRange(); it.Next(); {
			b = encode(encode(b, it.Key()), it.Value())
		}
		return b
	case reflect.Struct:
		for i := range v.NumField() {
			b = encode(b, v.Field(i))
		}
		return b
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, 0)
		}
		return encode(append(b, 1), v.Elem())
	}
	panic(fmt.Sprintf("wire: cannot encode %s", v.Type()))
}

// Unmarshal decodes b, the whole of it, into the value that p points to.
func Unmarshal(b []byte, p any) error {
	d := NewDecoder(b)
	if err := d.Decode(p); err != nil {
		return err
	}
	return d.End()
}

// Decoder decodes values that follow each other. Their strings are parts of one.
type Decoder struct {
	rest string
	bad  bool
}

// NewDecoder makes one for a copy of b.
func NewDecoder(b []byte) *Decoder { return &Decoder{rest: string(b)} }

// Decode decodes the next value into the one that p points to.
func (d *Decoder) Decode(p any) error {
	d.value(reflect.ValueOf(p).Elem())
	if d.bad {
		return ErrMalformed
	}
	return nil
}

// End is an error if there is more.
func (d *Decoder) End() error {
	if len(d.rest) > 0 {
		return fmt.Errorf("%w: %d bytes too many", ErrMalformed, len(d.rest))
	}
	return nil
}

func (d *Decoder) byte() byte {
	if len(d.rest) == 0 {
		d.bad = true
		return 0
	}
	c := d.rest[0]
	d.rest = d.rest[1:]
	return c
}

// uvarint reads a number as encoding/binary writes it.
func (d *Decoder) uvarint() uint64 {
	if len(d.rest) > 0 && d.rest[0] < 0x80 { // as most are
		n := d.rest[0]
		d.rest = d.rest[1:]
		return uint64(n)
	}
	var room [binary.MaxVarintLen64]byte
	n, size := binary.Uvarint(room[:copy(room[:], d.rest)])
	if size <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *Decoder) fail() { d.bad, d.rest = true, "" }

// length reads the length of what follows, each part of which takes at least min bytes.
func (d *Decoder) length(min int) int {
	n := d.uvarint()
	if n > uint64(len(d.rest)/max(min, 1)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *Decoder) text() string {
	n := d.length(1)
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *Decoder) value(v reflect.Value) {
	if d.bad {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(d.byte() != 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n := d.uvarint() // zigzag, as binary.AppendVarint
		v.SetInt(int64(n>>1) ^ -int64(n&1))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(d.uvarint())
	case reflect.String:
		v.SetString(d.text())
	case reflect.Slice:
		d.slice(v)
	case reflect.Array:
		for i := range v.Len() {
			d.value(v.Index(i))
		}
	case reflect.Map:
		d.mapping(v)
	case reflect.Struct:
		for i := range v.NumField() {
			d.value(v.Field(i))
		}
	case reflect.Pointer:
		if d.byte() != 0 {
			v.Set(reflect.New(v.Type().Elem()))
			d.value(v.Elem())
		}
	default:
		panic(fmt.Sprintf("wire: cannot decode %s", v.Type()))
	}
}

// slice leaves an empty slice nil: the two mean the same everywhere here.
func (d *Decoder) slice(v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		if s := d.text(); len(s) > 0 {
			v.SetBytes([]byte(s))
		}
		return
	}
	n := d.length(1)
	if n == 0 {
		return
	}
	v.Grow(n)
	v.SetLen(n)
	for i := range n {
		d.value(v.Index(i))
	}
}

func (d *Decoder) mapping(v reflect.Value) {
	n := d.length(2)
	if n == 0 {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), n))
	for range n {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		d.value(key)
		d.value(value)
		if d.bad {
			return
		}
		v.SetMapIndex(key, value)
	}
}
