package jsondoc

import (
	"reflect"
	"strings"
	"sync"
)

// field is what JSON knows of a field of a struct.
type field struct {
	name      string // "" for one that is not there
	omitEmpty bool
	embedded  bool // its own fields are there in its place
}

// known are the fields of the types that were met. Package reflect makes a description of a field anew, in memory, each time
// that it is asked for one.
var known sync.Map // reflect.Type → []field

func fieldsOf(t reflect.Type) []field {
	if f, ok := known.Load(t); ok {
		return f.([]field)
	}
	all := make([]field, t.NumField())
	for i := range all {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
			name = ""
		case name == "":
			name = f.Name
		}
		all[i] = field{name: name, omitEmpty: strings.Contains(options, "omitempty"), embedded: f.Anonymous}
	}
	known.Store(t, all)
	return all
}
