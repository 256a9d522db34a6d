// Package jsondoc reads and writes the JSON documents of a container's life: config.json, process.json, state.json.
//
// encoding/json builds tables of every type that it meets, and of all that those lead to, each time that a program
// starts: for the specification's types that is a third of what a whole `create` allocates. Decode walks the types
// as it goes instead. What it does not know for sure (a key in another case, a value of another type, an error) it
// leaves to encoding/json, whose results and errors these are.
package jsondoc

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Decode decodes the document into the value that v points to, with the result and the errors of json.Unmarshal.
func Decode(b []byte, v any) error {
	p := reflect.ValueOf(v)
	fresh := reflect.New(p.Type().Elem())
	d := decoder{s: string(b)}
	d.value(fresh.Elem(), 0)
	d.space()
	if d.unsure || d.at < len(b) {
		return json.Unmarshal(b, v)
	}
	p.Elem().Set(fresh.Elem())
	return nil
}

// decoder is unsure from the first byte on that it leaves to encoding/json. The strings that it finds are parts of s.
type decoder struct {
	s      string
	at     int
	unsure bool
}

// maxDepth bounds recursion; encoding/json has a bound of its own.
const maxDepth = 100

func (d *decoder) space() {
	for d.at < len(d.s) {
		switch d.s[d.at] {
		case ' ', '\t', '\n', '\r':
			d.at++
		default:
			return
		}
	}
}

// next is the first byte that is no space, 0 at the end.
func (d *decoder) next() byte {
	d.space()
	if d.unsure || d.at >= len(d.s) {
		return 0
	}
	return d.s[d.at]
}

// take consumes c, which has to come.
func (d *decoder) take(c byte) {
	if d.next() != c {
		d.unsure = true
		return
	}
	d.at++
}

func (d *decoder) literal(s string) bool {
	if !strings.HasPrefix(d.s[d.at:], s) {
		d.unsure = true
		return false
	}
	d.at += len(s)
	return true
}

var timeType = reflect.TypeFor[time.Time]()

func (d *decoder) value(v reflect.Value, depth int) {
	if depth > maxDepth {
		d.unsure = true
		return
	}
	if d.next() == 'n' {
		if d.literal("null") {
			switch v.Kind() {
			case reflect.Pointer, reflect.Map, reflect.Slice:
				v.SetZero()
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(v.Elem(), depth+1)
	case reflect.Struct:
		if v.Type() == timeType {
			d.time(v)
			return
		}
		d.object(v, depth)
	case reflect.Map:
		d.mapping(v, depth)
	case reflect.Slice:
		d.array(v, depth)
	case reflect.String:
		v.SetString(d.str())
	case reflect.Bool:
		d.boolean(v)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(d.number(), 10, v.Type().Bits())
		d.unsure = d.unsure || err != nil
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(d.number(), 10, v.Type().Bits())
		d.unsure = d.unsure || err != nil
		v.SetUint(n)
	default:
		d.unsure = true
	}
}

func (d *decoder) time(v reflect.Value) {
	t, err := time.Parse(time.RFC3339, d.str())
	d.unsure = d.unsure || err != nil
	if !d.unsure {
		v.Set(reflect.ValueOf(t))
	}
}

func (d *decoder) boolean(v reflect.Value) {
	if d.next() == 't' {
		v.SetBool(d.literal("true"))
		return
	}
	d.literal("false")
	v.SetBool(false)
}

// number is the text of a whole number.
func (d *decoder) number() string {
	d.space()
	start := d.at
	if d.at < len(d.s) && d.s[d.at] == '-' {
		d.at++
	}
	first := d.at
	for d.at < len(d.s) && d.s[d.at] >= '0' && d.s[d.at] <= '9' {
		d.at++
	}
	if d.at == first || d.s[first] == '0' && d.at > first+1 || d.at < len(d.s) && strings.IndexByte(".eE", d.s[d.at]) >= 0 {
		d.unsure = true
		return ""
	}
	return d.s[start:d.at]
}

// raw is a string without its quotes; plain tells that it has no escapes.
func (d *decoder) raw() (s string, plain bool) {
	d.take('"')
	plain = true
	for i := d.at; i < len(d.s) && !d.unsure; i++ {
		switch c := d.s[i]; {
		case c == '"':
			s, d.at = d.s[d.at:i], i+1
			return s, plain
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			d.unsure = true
		}
	}
	d.unsure = true
	return "", false
}

func (d *decoder) str() string {
	start := d.at
	s, plain := d.raw()
	if d.unsure || !utf8.ValidString(s) {
		d.unsure = true
		return ""
	}
	if plain {
		return s
	}
	var unescaped string // s itself would be allocated for each string then
	if err := json.Unmarshal([]byte(d.s[start:d.at]), &unescaped); err != nil {
		d.unsure = true
	}
	return unescaped
}

// object decodes the fields of a struct.
func (d *decoder) object(v reflect.Value, depth int) {
	var seen uint64
	next := 0
	fields := fieldsOf(v.Type())
	d.take('{')
	for first := true; d.member(first, '}'); first = false {
		d.space()
		key, plain := d.raw()
		if !plain {
			d.unsure = true
		}
		d.take(':')
		if d.unsure {
			return
		}
		f, n := find(v, fields, key, next)
		next = n + 1
		switch {
		case n < 0:
			d.skip(depth + 1)
		case n >= 64 || seen&(1<<n) != 0:
			d.unsure = true
		case !f.IsValid():
			d.unsure = true // the name in another case
		default:
			seen |= 1 << n
			d.value(f, depth+1)
		}
	}
}

// member tells whether another member or element comes, and consumes the comma before it, or the end.
func (d *decoder) member(first bool, end byte) bool {
	c := d.next()
	if c == end {
		d.at++
		return false
	}
	if first {
		return !d.unsure
	}
	d.take(',')
	if d.next() == end {
		d.unsure = true
	}
	return !d.unsure
}

// find finds a field by its name in JSON, and its number among the fields; -1 when there is none. Most documents have the order
// of the type: next is where the field is then. A field whose name is written in another case is found without a value.
func find(v reflect.Value, fields []field, key string, next int) (reflect.Value, int) {
	// One with an embedded type, which comes first, has other numbers.
	if next < len(fields) && fields[next].name == key && !fields[0].embedded {
		return v.Field(next), next
	}
	from := 0
	for i := range fields {
		f := &fields[i]
		switch {
		case f.embedded:
			in := v.Field(i)
			if inner, n := find(in, fieldsOf(in.Type()), key, 0); n >= 0 {
				return inner, from + i + n
			}
			from += v.Field(i).NumField() - 1
		case f.name == "":
		case f.name == key:
			return v.Field(i), from + i
		case strings.EqualFold(f.name, key):
			return reflect.Value{}, from + i
		}
	}
	return reflect.Value{}, -1
}

func (d *decoder) mapping(v reflect.Value, depth int) {
	t := v.Type()
	if t.Key().Kind() != reflect.String {
		d.unsure = true
		return
	}
	v.Set(reflect.MakeMap(t))
	d.take('{')
	for first := true; d.member(first, '}'); first = false {
		d.space()
		key := reflect.New(t.Key()).Elem()
		key.SetString(d.str())
		d.take(':')
		value := reflect.New(t.Elem()).Elem()
		d.value(value, depth+1)
		if d.unsure {
			return
		}
		v.SetMapIndex(key, value)
	}
}

func (d *decoder) array(v reflect.Value, depth int) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		d.unsure = true // a string in base64
		return
	}
	d.take('[')
	if n := d.elements(); n > 0 {
		v.SetZero()
		v.Grow(n)
	} else {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	}
	for first := true; d.member(first, ']'); first = false {
		n := v.Len()
		if n == v.Cap() {
			v.Grow(max(4, n))
		}
		v.SetLen(n + 1)
		v.Index(n).SetZero()
		d.value(v.Index(n), depth+1)
	}
}

// elements is how many elements the array has that begins here, as far as it is one; of many it is a part.
func (d *decoder) elements() int {
	const many = 1 << 10
	if d.next() == ']' {
		return 0
	}
	n := 1
	for i, depth := d.at, 0; i < len(d.s) && n < many; i++ {
		switch d.s[i] {
		case '"':
			for i++; i < len(d.s) && d.s[i] != '"'; i++ {
				if d.s[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth < 0 {
				return n
			}
		case ',':
			if depth == 0 {
				n++
			}
		}
	}
	return n
}

// skip passes over a value of any type.
func (d *decoder) skip(depth int) {
	if depth > maxDepth {
		d.unsure = true
		return
	}
	switch d.next() {
	case '"':
		start := d.at
		if s, plain := d.raw(); !plain || !utf8.ValidString(s) {
			if d.unsure || !json.Valid([]byte(d.s[start:d.at])) {
				d.unsure = true
			}
		}
	case '{':
		d.at++
		for first := true; d.member(first, '}'); first = false {
			d.space()
			d.str()
			d.take(':')
			d.skip(depth + 1)
		}
	case '[':
		d.at++
		for first := true; d.member(first, ']'); first = false {
			d.skip(depth + 1)
		}
	case 't':
		d.literal("true")
	case 'f':
		d.literal("false")
	case 'n':
		d.literal("null")
	default:
		start := d.at
		for d.at < len(d.s) && strings.IndexByte("+-.eE0123456789", d.s[d.at]) >= 0 {
			d.at++
		}
		d.unsure = d.unsure || !json.Valid([]byte(d.s[start:d.at]))
	}
}
