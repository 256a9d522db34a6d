package jsondoc

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// compare decodes a document both ways.
func compare(t *testing.T, b []byte) {
	t.Helper()
	var want, got specs.Spec
	wantErr := json.Unmarshal(b, &want)
	gotErr := Decode(b, &got)
	if (wantErr == nil) != (gotErr == nil) || wantErr != nil && wantErr.Error() != gotErr.Error() {
		t.Fatalf("error %v, want %v\n%s", gotErr, wantErr, b)
	}
	if d := cmp.Diff(want, got); wantErr == nil && d != "" {
		t.Fatalf("differs from encoding/json:\n%s\n%s", d, b)
	}
}

var documents = []string{
	`{}`, ` { } `, `null`, `[]`, `{"ociVersion":"1.0"}`, `{"OCIVERSION":"1.0"}`, `{"ociVersion":"a","ociVersion":"b"}`,
	`{"process":{"terminal":true,"args":["a","b\n\u00e9"],"user":{"uid":1,"additionalGids":[]}}}`, `{"x":{"y":[1,2.5e3,"s",null]}}`,
	`{"linux":{"resources":{"memory":{"limit":-1},"blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":3}]}}}}`,
	`{"linux":{"resources":{"memory":{"limit":1.5}}}}`, `{"linux":{"sysctl":{"a":"b"},"timeOffsets":{"monotonic":{"secs":1}}}}`,
	`{"annotations":{"a":"b","a":"c"}}`, `{"process":null,"mounts":null}`, `{"mounts":[{"options":null},]}`, `{,}`, `{"a" "b"}`,
	`{"mounts":[,]}`, `{"ociVersion":01}`, `{"a":1}x`, `{"a":tru}`, "{\"hostname\":\"\xff\"}", `{"hostname":"` + "\t" + `"}`,
	`{"process":{"user":{"uid":-1}}}`, `{"process":{"user":{"uid":4294967296}}}`, `{"mounts":[{} {}]}`, `{"mounts":[{},{}]}`, ``, `{"a":"\x"}`,
}

func TestDecode(t *testing.T) {
	for _, s := range documents {
		compare(t, []byte(s))
	}
	files, err := filepath.Glob("../generate/testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no documents", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, b)
		d := decoder{s: string(b)}
		var spec specs.Spec
		if err := Decode(b, &spec); err != nil {
			t.Fatal(err)
		}
		d.object(reflect.ValueOf(&spec).Elem(), 0)
		if d.unsure {
			t.Errorf("%s: left to encoding/json", f)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range documents {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { compare(t, b) })
}

func TestEncode(t *testing.T) {
	type inner struct {
		A string `json:"a,omitempty"`
		B *int   `json:"b,omitempty"`
	}
	type document struct {
		Time time.Time         `json:"time"`
		Map  map[string]string `json:"map,omitempty"`
		List []inner           `json:"list"`
		N    uint64            `json:"n"`
		T    bool              `json:"t,omitempty"`
	}
	n := 3
	want := document{
		Time: time.Date(2020, 1, 2, 3, 4, 5, 6, time.UTC), Map: map[string]string{"é\n": `"`, "b": "\\"},
		List: []inner{{A: "x"}, {B: &n}}, N: 1 << 63, T: true,
	}
	var got document
	if err := json.Unmarshal(Encode(want), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	var again document
	if err := Decode(Encode(want), &again); err != nil || cmp.Diff(want, again) != "" {
		t.Error(err, cmp.Diff(want, again))
	}
}
