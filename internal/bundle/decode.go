package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"mydocker/internal/fault"
	"mydocker/internal/jsondoc"
)

// readAll reads r, of which size is known, or, as for a FIFO, not.
func readAll(r io.Reader, size int) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	n, err := b.ReadFrom(io.LimitReader(r, maxFile+1))
	if err == nil && n > maxFile {
		err = fmt.Errorf("more than the %d bytes that are read", maxFile)
	}
	return b.Bytes(), err
}

// decode decodes the whole of a document. An error names the line, the column and the field.
func decode(file string, b []byte, to any) error {
	err := jsondoc.Decode(b, to)
	if err == nil {
		return checkText(b, to)
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var offset int64
	var hint string
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		return fault.New(fault.JSON, "", fmt.Errorf("%s is empty", file))
	case errors.As(err, &syntax):
		offset, hint = syntax.Offset, "the document ends or goes wrong at this place: look for a comma, quote or bracket before it"
	case errors.As(err, &kind):
		offset, err, hint = kind.Offset, kindError{kind}, "write "+allowed(kind.Type)
	}
	line, column := position(b, offset)
	field := fieldAt(b, offset)
	text := &Position{File: file, Line: line, Column: column, Field: field, Err: err}
	return fault.Hint(fault.New(fault.JSON, field, text), hint)
}

// Position is an error at a place in a document.
type Position struct {
	File         string
	Line, Column int // from 1 on
	Field        string
	Err          error
}

func (p *Position) Error() string {
	place := fmt.Sprintf("%s: line %d, column %d", p.File, p.Line, p.Column)
	if p.Field != "" {
		place += ", field " + p.Field
	}
	return place + ": " + p.Err.Error()
}

func (p *Position) Unwrap() error { return p.Err }

// kindError says without Go's names of types that a value is of a kind that its field does not take.
type kindError struct{ *json.UnmarshalTypeError }

func (e kindError) Unwrap() error { return e.UnmarshalTypeError }

func (e kindError) Error() string {
	found := e.Value // as "number -1"
	switch e.Value {
	case "array", "object":
		found = "an " + e.Value
	case "string", "number":
		found = "a " + e.Value
	case "bool":
		found = "true or false"
	}
	return "found " + found + " where " + allowed(e.Type) + " belongs"
}

// allowed says what a Go type is in JSON.
func allowed(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf("a whole number from 0 on that fits into %d bits", t.Bits())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fmt.Sprintf("a whole number that fits into %d bits", t.Bits())
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	}
	return "an object"
}

// position is the line and column, from 1 on, of the last byte that the decoder has read.
func position(b []byte, offset int64) (line, column int) {
	before := b[:min(max(offset-1, 0), int64(len(b)))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

// level is one step into a document: the member of an object, or the element of an array, counted from 1 (0 is an
// array with no element yet, -1 an object).
type level struct {
	name  string
	index int
}

// fieldAt is the path, as mounts[3].source, of the value at or around offset.
func fieldAt(b []byte, offset int64) string {
	var path []level
	inKey := false
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			break
		}
		end := d.InputOffset()
		top := len(path) - 1
		delim, isDelim := token.(json.Delim)
		switch {
		case isDelim && (delim == '}' || delim == ']'):
			if path = path[:top]; end >= offset {
				return joinPath(path)
			}
			inKey = len(path) > 0 && path[len(path)-1].index < 0
			continue
		case inKey:
			path[top].name, inKey = token.(string), false
			continue
		case top >= 0 && path[top].index >= 0:
			path[top].index++
		}
		if end >= offset {
			break
		}
		switch {
		case isDelim && delim == '{':
			path, inKey = append(path, level{index: -1}), true
		case isDelim && delim == '[':
			path, inKey = append(path, level{}), false
		default:
			inKey = top >= 0 && path[top].index < 0
		}
	}
	return joinPath(path)
}

func joinPath(path []level) string {
	var s strings.Builder
	for _, l := range path {
		switch {
		case l.index > 0:
			s.WriteString("[" + strconv.Itoa(l.index-1) + "]")
		case l.index < 0 && l.name != "":
			if s.Len() > 0 {
				s.WriteByte('.')
			}
			s.WriteString(l.name)
		}
	}
	return s.String()
}
