package bundle

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

var specType = reflect.TypeFor[specs.Spec]()

func TestDocument(t *testing.T) {
	d := readDocument([]byte(`{"ociVersion": "1.3.0", "root": {"path": 3, "path": "r"},
 "process": {"args": "sh", "Terminal": true, "user": {"uid": 1.5}},
 "annotations": {"a.b": "c", "d": 1},
 "linux": {"sysctl": {"net.x": "1"}, "namespace": [], "maskedPaths": [1, "/x"],
   "resources": {"memory": {"limit": "1g"}}}, "x-vendor": {"root": [{}, {"args": 1}]}}`), specType)
	var wrong, doubts []string
	for _, err := range d.Wrong {
		wrong = append(wrong, fault.Of(err).Field)
	}
	for _, err := range d.Doubts {
		f := fault.Of(err)
		doubts = append(doubts, f.Field+": "+f.Hint)
	}
	if got := strings.Join(wrong, " "); got != `root.path process.args process.user.uid annotations["d"] linux.maskedPaths[0] linux.resources.memory.limit` {
		t.Errorf("wrong: %s", got)
	}
	want := []string{
		"root.path: remove one of the two", `process.Terminal: write it "terminal", as the specification has it`,
		`linux.namespace: perhaps "namespaces" is meant`, "x-vendor: remove it; what is for tools belongs into annotations",
	}
	if got := strings.Join(doubts, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("doubts:\n%s", got)
	}
	for _, c := range []struct {
		field        string
		line, column int
		found        string
	}{
		{"process.args", 2, 22, `"sh"`}, {`linux.sysctl["net.x"]`, 4, 32, `"1"`}, {"linux.maskedPaths[1]", 4, 74, `"/x"`},
		{"process.cwd", 2, 13, ""}, {"mounts[3].source", 1, 1, ""}, {"", 1, 1, string(d.text)},
	} {
		if line, column, found := d.Place(c.field); line != c.line || column != c.column || found != c.found {
			t.Errorf("%s: %d:%d %s", c.field, line, column, found)
		}
	}
}

func TestSuggest(t *testing.T) {
	for key, want := range map[string]string{
		"capabilitis": `perhaps "capabilities" is meant`, "argss": `perhaps "args" is meant`, "agrs": `perhaps "args" is meant`, "zzz": "",
	} {
		if got := Suggest(key, []string{"args", "capabilities", "cwd"}); got != want {
			t.Errorf("%s: %q", key, got)
		}
	}
	for key, want := range map[string]string{"seccomp": "perhaps linux.seccomp is meant", "namespaces": "perhaps linux.namespaces is meant", "noSuchKey": ""} {
		if got := elsewhere(specType, key); got != want {
			t.Errorf("%s: %q", key, got)
		}
	}
}

// FuzzDocument has the walk through any document that is JSON end, and find a place for all that it finds.
func FuzzDocument(f *testing.F) {
	f.Add([]byte(`{"ociVersion":"1.0.0","mounts":[{"destination":3}],"x":{"y":[]}}`))
	f.Add([]byte(`[{"a":[1,2,{}]}]`))
	f.Add([]byte(`{"root":null,"process":{"args":[null]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			return
		}
		d := readDocument(b, specType)
		for _, err := range append(d.Wrong, d.Doubts...) {
			if line, _, _ := d.Place(fault.Of(err).Field); line == 0 && fault.Of(err).Field != "" {
				t.Errorf("no place for %s in %q", fault.Of(err).Field, b)
			}
		}
	})
}
