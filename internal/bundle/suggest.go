package bundle

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// Suggest names the word that was perhaps meant, of those that may stand there; "" when none is near.
func Suggest(key string, names []string) string {
	if best := Nearest(key, names); best != "" {
		return "perhaps " + strconv.Quote(best) + " is meant"
	}
	return ""
}

// Nearest is the name that is key but for a letter or two, "" when none is.
func Nearest(key string, names []string) string {
	best, least := "", max(1, len(key)/3)+1
	for _, name := range names {
		n := distance(strings.ToLower(key), strings.ToLower(name))
		if n < least || n == least && strings.HasPrefix(name, key) && !strings.HasPrefix(best, key) {
			best, least = name, n
		}
	}
	return best
}

// Misspelt adds to an error of a configuration the key, unknown to the specification, that may stand for the one at fault.
func Misspelt(err error, config []byte) error {
	above, name := cutField(fault.Of(err).Field)
	if name == "" || !json.Valid(config) {
		return err
	}
	for _, doubt := range readDocument(config, reflect.TypeFor[specs.Spec]()).Doubts {
		d := fault.Of(doubt)
		if beside, _ := cutField(d.Field); beside == above && strings.Contains(d.Hint, strconv.Quote(name)) {
			return fault.Rehint(err, doubt.Error()+": "+d.Hint)
		}
	}
	return err
}

// cutField cuts the last name off a field.
func cutField(field string) (above, name string) {
	at := strings.LastIndexByte(field, '.')
	return field[:max(at, 0)], field[at+1:]
}

// elsewhere names the place in a document of type t where a key of that name belongs, "" without.
func elsewhere(t reflect.Type, key string) string {
	if place := search(t, "", key); place != "" {
		return "perhaps " + place + " is meant"
	}
	return ""
}

// search looks for a key in a type and what is in it: near the top first.
func search(t reflect.Type, field, key string) string {
	names := map[string]reflect.Type{}
	members(t, names)
	sorted := slices.Sorted(maps.Keys(names))
	for _, name := range sorted {
		if strings.EqualFold(name, key) {
			return below(field, name, t)
		}
	}
	for _, name := range sorted {
		inner, suffix := names[name], ""
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			if inner.Kind() == reflect.Slice {
				suffix = "[]"
			}
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Struct || otherSystem(name) {
			continue
		}
		if place := search(inner, below(field, name, t)+suffix, key); place != "" {
			return place
		}
	}
	return ""
}

// otherSystem tells whether a member of the top level is for another system than Linux.
func otherSystem(name string) bool {
	return slices.Contains([]string{"solaris", "windows", "vm", "zos", "freebsd"}, name)
}

// distance is how many letters have to be put in, left out, replaced or swapped with the next one to make one word of
// another (the optimal string alignment distance).
func distance(a, b string) int {
	row := func() []int { return make([]int, len(b)+1) }
	before, last, now := row(), row(), row()
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
