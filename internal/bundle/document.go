package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"mydocker/internal/fault"
)

// Document is config.json, or a part of it, as it was written: where each field is, and what the specification does not
// know of.
type Document struct {
	text   []byte
	places map[string]span
	// Wrong are the values of a wrong type, all of them.
	Wrong []error
	// Doubts are what is read otherwise than whoever wrote it may think: unknown keys, keys that are there twice.
	Doubts []error
}

// span is the place of a value, in bytes.
type span struct{ from, to int }

// Place is the line and the column, from 1 on, of a field's value, and the value as it is written. For a field that is
// not there they are those of the nearest one around it.
func (d *Document) Place(field string) (line, column int, found string) {
	path := dotted(field)
	at, ok := d.places[path]
	if ok {
		found = string(d.text[at.from:at.to])
	}
	for !ok && path != "" {
		path, _ = cutField(path)
		at, ok = d.places[path]
	}
	if !ok {
		return 0, 0, found
	}
	line, column = position(d.text, int64(at.from)+1)
	return line, column, found
}

// dotted writes a field with dots alone: mounts[3].source and linux.sysctl["a"] as mounts.3.source, linux.sysctl.a.
func dotted(field string) string {
	return strings.NewReplacer(`["`, ".", `"]`, "", "[", ".", "]", "").Replace(field)
}

// readDocument reads a whole document, which is JSON and is to be of type t.
func readDocument(b []byte, t reflect.Type) *Document {
	d := &Document{text: b, places: map[string]span{}}
	r := reader{Document: d, of: t, tokens: json.NewDecoder(bytes.NewReader(b))}
	r.tokens.UseNumber()
	r.value("", t)
	return d
}

type reader struct {
	*Document
	of     reflect.Type // of the whole
	tokens *json.Decoder
	broken bool
}

// next is the offset of the next token.
func (r *reader) next() int {
	at := int(r.tokens.InputOffset())
	for at < len(r.text) && strings.IndexByte(" \t\r\n:,", r.text[at]) >= 0 {
		at++
	}
	return at
}

func (r *reader) token() json.Token {
	t, err := r.tokens.Token()
	r.broken = r.broken || err != nil
	return t
}

// value reads a value that is to be of type t, nil for one that nothing is known of.
func (r *reader) value(field string, t reflect.Type) {
	from := r.next()
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	open, isDelim := r.token().(json.Delim)
	switch {
	case isDelim && open == '{':
		inner := t
		if t != nil && t.Kind() != reflect.Struct && t.Kind() != reflect.Map {
			inner = nil
		}
		r.object(field, inner)
	case isDelim && open == '[':
		var element reflect.Type
		if t != nil && t.Kind() == reflect.Slice {
			element = t.Elem()
		}
		r.array(field, element)
	}
	at := span{from, int(r.tokens.InputOffset())}
	if r.broken {
		return
	}
	r.places[dotted(field)] = at
	composite := t != nil && (t.Kind() == reflect.Struct || t.Kind() == reflect.Map || t.Kind() == reflect.Slice)
	if t == nil || isDelim && composite && (open == '[') == (t.Kind() == reflect.Slice) {
		return
	}
	r.checkType(field, at, t)
}

// checkType asks encoding/json, as the decoder of the whole document does.
func (r *reader) checkType(field string, at span, t reflect.Type) {
	err := json.Unmarshal(r.text[at.from:at.to], reflect.New(t).Interface())
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		return
	}
	line, column := position(r.text, int64(at.from)+1)
	text := &Position{File: File, Line: line, Column: column, Field: field, Err: kindError{kind}}
	r.Wrong = append(r.Wrong, fault.Expect(allowed(kind.Type), fault.New(fault.JSON, field, text)))
}

func (r *reader) array(field string, t reflect.Type) {
	for i := 0; !r.broken && r.tokens.More(); i++ {
		r.value(field+"["+strconv.Itoa(i)+"]", t)
	}
	r.token()
}

func (r *reader) object(field string, t reflect.Type) {
	seen := map[string]bool{}
	for !r.broken && r.tokens.More() {
		key, _ := r.token().(string)
		inner := r.member(field, key, t)
		if seen[key] {
			r.Doubts = append(r.Doubts, fault.Hint(fault.New(fault.DuplicateKey, below(field, key, t),
				fmt.Errorf("%s: the key is there twice, and the last one wins", below(field, key, t))), "remove one of the two"))
		}
		seen[key] = true
		r.value(below(field, key, t), inner)
	}
	r.token()
}

// below is the name of a member: a key of a map is written in brackets, since it may have dots.
func below(field, key string, t reflect.Type) string {
	switch {
	case t != nil && t.Kind() == reflect.Map:
		return field + "[" + strconv.Quote(key) + "]"
	case field == "":
		return key
	}
	return field + "." + key
}

// member is the type of an object's member. A key that the specification does not have is a doubt.
func (r *reader) member(field, key string, t reflect.Type) reflect.Type {
	if t == nil {
		return nil
	}
	if t.Kind() == reflect.Map {
		return t.Elem()
	}
	names := map[string]reflect.Type{}
	members(t, names)
	if inner, ok := names[key]; ok {
		return inner
	}
	for name, inner := range names {
		if strings.EqualFold(name, key) {
			r.doubt(below(field, key, t), "it is taken for "+name, "write it "+strconv.Quote(name)+", as the specification has it")
			return inner
		}
	}
	hint := Suggest(key, slices.Sorted(maps.Keys(names)))
	if hint == "" {
		hint = elsewhere(r.of, key)
	}
	if hint == "" {
		hint = "remove it; what is for tools belongs into annotations"
	}
	r.doubt(below(field, key, t), "the specification has no such key, and it is ignored", hint)
	return nil
}

func (r *reader) doubt(field, text, hint string) {
	r.Doubts = append(r.Doubts, fault.Hint(fault.New(fault.UnknownKey, field, fmt.Errorf("%s: %s", field, text)), hint))
}

// members collects the members of a struct by their names in JSON.
func members(t reflect.Type, names map[string]reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			members(f.Type, names)
			continue
		}
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names[name] = f.Type
		}
	}
}
