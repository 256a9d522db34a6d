package bundle

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"mydocker/internal/fault"
)

// Limits of strings that the kernel takes.
const (
	maxPath   = 4095        // PATH_MAX without its NUL
	maxString = 128<<10 - 1 // MAX_ARG_STRLEN without its NUL
)

// checkText refuses a NUL in any string: the kernel, which takes it for the end, would see another value than whoever
// checked the document. JSON has it as an escape only, which saves looking at each string of most documents.
func checkText(b []byte, v any) error {
	if !bytes.Contains(b, []byte(`\u0000`)) {
		return nil
	}
	if field, found := findNUL(reflect.ValueOf(v), ""); found {
		field = strings.TrimPrefix(field, ".")
		return fault.New(fault.Config, field, fmt.Errorf("%s: a NUL byte is not allowed", field))
	}
	return nil
}

// findNUL returns the path of the first string that has a NUL.
func findNUL(v reflect.Value, path string) (string, bool) {
	switch v.Kind() {
	case reflect.String:
		return path, strings.IndexByte(v.String(), 0) >= 0
	case reflect.Pointer:
		if !v.IsNil() {
			return findNUL(v.Elem(), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if p, found := findNUL(v.Index(i), fmt.Sprintf("%s[%d]", path, i)); found {
				return p, true
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			p := fmt.Sprintf("%s[%q]", path, it.Key().String())
			if _, found := findNUL(it.Key(), p); found {
				return p, true
			}
			if p, found := findNUL(it.Value(), p); found {
				return p, true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			p := path
			if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); name != "" {
				p += "." + name
			}
			if p, found := findNUL(v.Field(i), p); found {
				return p, true
			}
		}
	}
	return "", false
}

// tooLong refuses a string that the kernel would not take, or that would not fit where it is sent (CVE-2021-43784).
func tooLong(field, s string, limit int, wrong report) {
	if len(s) > limit {
		wrong(fault.Expect(fmt.Sprintf("at most %d bytes", limit), bad(field, "%d bytes are more than the %d that are allowed", len(s), limit)))
	}
}
