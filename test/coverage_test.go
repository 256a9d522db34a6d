// Package test holds what is checked of the project as a whole.
package test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// document is the table of the fields of config.json.
const document = "../docs/spec-coverage.md"

// row is a line of the table.
type row struct {
	field   string
	applied string   // the file that applies or refuses it
	shown   []string // scripts, and files with Go tests
}

// TestEveryFieldIsCovered compares the table with the Go types of the specification: every field that a Linux runtime
// meets is in it, nothing else is, and the files that it names exist and speak of the field.
func TestEveryFieldIsCovered(t *testing.T) {
	rows := readRows(t)
	fields := map[string]string{}
	walk(reflect.TypeFor[specs.Spec](), "", fields)
	seen := map[string]bool{}
	for _, r := range rows {
		name, known := fields[r.field]
		switch {
		case !known:
			t.Errorf("%s: the specification has no such field", r.field)
			continue
		case seen[r.field]:
			t.Errorf("%s: two rows", r.field)
		}
		seen[r.field] = true
		r.check(t, name)
	}
	for field := range fields {
		if !seen[field] {
			t.Errorf("%s: no row", field)
		}
	}
	if !slices.IsSortedFunc(rows, func(a, b row) int { return strings.Compare(a.field, b.field) }) {
		t.Error("the rows are not sorted")
	}
}

// readRows reads lines of "| `field` | `file` | `test` `test` |".
func readRows(t *testing.T) (rows []row) {
	t.Helper()
	for line := range strings.Lines(read(t, document)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		r := row{field: strings.Trim(cells[1], " `"), applied: strings.Trim(cells[2], " `")}
		for _, s := range strings.Fields(cells[3]) {
			r.shown = append(r.shown, strings.Trim(s, "`,"))
		}
		rows = append(rows, r)
	}
	return rows
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("%v", err)
	}
	return string(b)
}

// check looks for the field in the files that the row names.
func (r *row) check(t *testing.T, goName string) {
	t.Helper()
	if !strings.Contains(read(t, filepath.Join("..", r.applied)), goName) {
		t.Errorf("%s: %s does not speak of %s", r.field, r.applied, goName)
	}
	if len(r.shown) == 0 {
		t.Errorf("%s: no test", r.field)
	}
	name := r.field[strings.LastIndexByte(r.field, '.')+1:]
	name = strings.TrimSuffix(name, "[]")
	for _, file := range r.shown {
		text := strings.ToLower(read(t, filepath.Join("..", file)))
		if !strings.Contains(text, strings.ToLower(name)) && !strings.Contains(text, strings.ToLower(goName)) {
			t.Errorf("%s: %s does not speak of %s", r.field, file, name)
		}
	}
}

// walk collects the fields with a value of their own: field → Go name. What is for other systems is one field each.
func walk(t reflect.Type, prefix string, fields map[string]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		path := prefix + name
		platform := f.Tag.Get("platform")
		inner, suffix := element(f.Type)
		switch {
		case name == "" && f.Anonymous:
			walk(inner, prefix, fields)
		case inner.Kind() != reflect.Struct, platform != "" && !strings.Contains(platform, "linux"):
			fields[path] = f.Name
		default:
			walk(inner, path+suffix+".", fields)
		}
	}
}

// element is what a field holds: of a list or a map what is in it, which the suffix says.
func element(t reflect.Type) (reflect.Type, string) {
	suffix := ""
	for {
		switch t.Kind() {
		case reflect.Pointer:
			t = t.Elem()
		case reflect.Slice, reflect.Map:
			if e := t.Elem(); e.Kind() != reflect.Struct {
				return t, suffix
			}
			t, suffix = t.Elem(), suffix+"[]"
		default:
			return t, suffix
		}
	}
}
