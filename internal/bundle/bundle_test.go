package bundle_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/bundle"
	"mydocker/internal/fault"
)

// minimal is the shortest configuration of a container that can run.
const minimal = `{"ociVersion":"1.2.0","root":{"path":"rootfs"},"process":{"args":["sh"],"cwd":"/","user":{"uid":0,"gid":0}}}`

// with is minimal with further members of the top level, which win over its own.
func with(t *testing.T, members string) []byte {
	t.Helper()
	var m, more map[string]json.RawMessage
	if err := json.Unmarshal([]byte(minimal), &m); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(members), &more); err != nil {
		t.Fatal(err)
	}
	for k, v := range more {
		m[k] = v
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, bundle.File), []byte(minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := bundle.Load(dir)
	if err == nil || !strings.HasPrefix(err.Error(), "invalid rootfs: stat "+dir+"/rootfs: no such file") {
		t.Errorf("without a root filesystem: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "rootfs"), 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if b.Dir != dir || string(b.Config) != minimal || b.Spec.Root.Path != filepath.Join(dir, "rootfs") {
		t.Errorf("got %q, root %q", b.Dir, b.Spec.Root.Path)
	}
	if b.Spec.Linux == nil {
		t.Error("no linux section: what uses it would have to ask each time")
	}
}

func TestLoadFromWorkingDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	_, err := bundle.Load("")
	if err == nil || err.Error() != "JSON specification file config.json not found" || fault.Of(err).Code != fault.NoConfig {
		t.Errorf("got %v", err)
	}
}

func TestPathsBecomeAbsolute(t *testing.T) {
	config := with(t, `{"mounts":[
		{"destination":"data","type":"bind","source":"d","options":["rbind"]},
		{"destination":"/tmp","type":"tmpfs","source":"tmpfs"}]}`)
	spec, warnings, err := bundle.Parse(config, "/bundle")
	if err != nil {
		t.Fatal(err)
	}
	if m := spec.Mounts[0]; m.Destination != "/data" || m.Source != "/bundle/d" {
		t.Errorf("bind mount became %+v", m)
	}
	if m := spec.Mounts[1]; m.Source != "tmpfs" {
		t.Errorf("tmpfs became %+v", m)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0].Error(), "mounts[0].destination") {
		t.Errorf("warnings: %q", warnings)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ members, field, text string }{
		"version missing":    {`{"ociVersion":""}`, "ociVersion", "must not be empty"},
		"version 2":          {`{"ociVersion":"2.0.0"}`, "ociVersion", `version "2.0.0" is not supported`},
		"version no number":  {`{"ociVersion":"one"}`, "ociVersion", "is not a version"},
		"windows":            {`{"windows":{"layerFolders":["a"]}}`, "windows", "another system"},
		"no root":            {`{"root":null}`, "root", "must not be empty"},
		"empty root":         {`{"root":{"path":""}}`, "root.path", "must not be empty"},
		"namespace unknown":  {`{"linux":{"namespaces":[{"type":"foo"}]}}`, "linux.namespaces[0].type", `namespace {"foo" ""} does not exist`},
		"namespace twice":    {`{"linux":{"namespaces":[{"type":"pid"},{"type":"uts"},{"type":"pid"}]}}`, "linux.namespaces[2].type", `malformed spec file: duplicated ns "pid"`},
		"namespace relative": {`{"linux":{"namespaces":[{"type":"pid","path":"ns"}]}}`, "linux.namespaces[0].path", "not an absolute path"},
		"maps without user":  {`{"linux":{"uidMappings":[{"containerID":0,"hostID":0,"size":1}]}}`, "linux.uidMappings", "user namespace mappings specified, but user namespace isn't enabled"},
		"user without maps":  {`{"linux":{"namespaces":[{"type":"user"}]}}`, "linux.uidMappings", "needs ID mappings"},
		"map of size 0":      {userNS(`[{"containerID":0,"hostID":0,"size":0}]`), "linux.uidMappings[0].size", "must not be 0"},
		"map too large":      {userNS(`[{"containerID":4294967295,"hostID":0,"size":10}]`), "linux.uidMappings[0]", "beyond the last ID"},
		"maps overlap":       {userNS(`[{"containerID":0,"hostID":0,"size":10},{"containerID":9,"hostID":100,"size":1}]`), "linux.uidMappings[1]", "overlaps with linux.uidMappings[0]"},
		"user not mapped":    {userNS(`[{"containerID":1,"hostID":0,"size":10}]`), "process.user.uid", "0 is not mapped"},
		"offsets without ns": {`{"linux":{"timeOffsets":{"monotonic":{"secs":1}}}}`, "linux.timeOffsets", "need a time namespace"},
		"offsets, joined ns": {`{"linux":{"namespaces":[{"type":"time","path":"/x"}],"timeOffsets":{"monotonic":{"secs":1}}}}`, "linux.timeOffsets", "joined"},
		"clock unknown":      {`{"linux":{"namespaces":[{"type":"time"}],"timeOffsets":{"realtime":{"secs":1}}}}`, "linux.timeOffsets", `unknown clock "realtime"`},
		"device rule type":   {`{"linux":{"resources":{"devices":[{"allow":true,"type":"x"}]}}}`, "linux.resources.devices[0].type", `"x" is not allowed`},
		"device rule access": {`{"linux":{"resources":{"devices":[{"allow":true,"access":"rx"}]}}}`, "linux.resources.devices[0].access", `"rx" is not allowed`},
		"net device, no ns":  {`{"linux":{"netDevices":{"eth0":{}}}}`, "linux.netDevices", "need a network namespace"},
		"net device name":    {`{"linux":{"namespaces":[{"type":"network"}],"netDevices":{"eth0":{"name":"a/b"}}}}`, `linux.netDevices["eth0"]`, `invalid network device name "a/b"`},
		"closID":             {`{"linux":{"intelRdt":{"closID":"../x"}}}`, "linux.intelRdt.closID", "cannot be the name"},
		"schemata":           {`{"linux":{"intelRdt":{"schemata":["L3:0=f\nMB:0=1"]}}}`, "linux.intelRdt.schemata[0]", "line break"},
		"hook relative":      {`{"hooks":{"poststop":[{"path":"/ok"},{"path":"x"}]}}`, "hooks.poststop[1].path", "not an absolute path"},
		"hook timeout":       {`{"hooks":{"prestart":[{"path":"/x","timeout":0}]}}`, "hooks.prestart[0].timeout", "0 is not allowed"},
		"hook env":           {`{"hooks":{"prestart":[{"path":"/x","env":["A"]}]}}`, "hooks.prestart[0].env[0]", "missing '='"},
		"annotation key":     {`{"annotations":{"":"x"}}`, "annotations", "must not be empty"},
		"no destination":     {`{"mounts":[{"destination":"","type":"tmpfs"}]}`, "mounts[0].destination", "must not be empty"},
		"long destination":   {`{"mounts":[{"destination":"/` + strings.Repeat("a", 5000) + `"}]}`, "mounts[0].destination", "are more than the 4095"},
		"rlimit unknown":     {process(`"rlimits":[{"type":"RLIMIT_X","soft":1,"hard":1}]`), "process.rlimits[0].type", "wrong rlimit value: RLIMIT_X"},
		"rlimit twice":       {process(`"rlimits":[{"type":"RLIMIT_AS","soft":1,"hard":1},{"type":"RLIMIT_AS","soft":1,"hard":1}]`), "process.rlimits[1].type", "twice"},
		"rlimit soft > hard": {process(`"rlimits":[{"type":"RLIMIT_AS","soft":2,"hard":1}]`), "process.rlimits[0]", "above the hard one"},
		"oom score":          {process(`"oomScoreAdj":1001`), "process.oomScoreAdj", "not in -1000 to 1000"},
		"umask":              {process(`"user":{"uid":0,"gid":0,"umask":4096}`), "process.user.umask", "0777"},
		"long argument":      {process(`"args":["a","` + strings.Repeat("b", 1<<17) + `"]`), "process.args[1]", "are more than"},
		"NUL":                {`{"hostname":"a\u0000b"}`, "hostname", "NUL byte"},
		"NUL in an array":    {`{"mounts":[{"destination":"/a"},{"destination":"/a","source":"x\u0000"}]}`, "mounts[1].source", "NUL byte"},
		"NUL in a key":       {`{"annotations":{"a\u0000":"b"}}`, `annotations["a\x00"]`, "NUL byte"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := bundle.Parse(with(t, c.members), "/bundle")
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("got %v, want %q in it", err, c.text)
			}
			if f := fault.Of(err); f.Field != c.field || f.Code != fault.Config {
				t.Errorf("got %s at %q, want %q", f.Code, f.Field, c.field)
			}
		})
	}
}

// userNS is a user namespace with this uid map.
func userNS(uids string) string {
	return `{"linux":{"namespaces":[{"type":"user"}],"uidMappings":` + uids + `,"gidMappings":[{"containerID":0,"hostID":0,"size":1}]}}`
}

// process is a process with this member.
func process(member string) string {
	return `{"process":{"cwd":"/",` + member + `}}`
}

func TestParseTakes(t *testing.T) {
	for name, members := range map[string]string{
		"development version":        `{"ociVersion":"1.0.2-dev"}`,
		"later minor version":        `{"ociVersion":"1.99.0"}`,
		"unknown member":             `{"frobnicate":{"a":1}}`,
		"no process":                 `{"process":null}`,
		"backslash before u0000":     `{"hostname":"a\\u0000b"}`,
		"joined user namespace":      `{"linux":{"namespaces":[{"type":"user","path":"/proc/1/ns/user"}]}}`,
		"device rule without a type": `{"linux":{"resources":{"devices":[{"allow":false,"access":"rwm"}]}}}`,
		"device of its own name":     `{"linux":{"namespaces":[{"type":"network"}],"netDevices":{"eth0":{},"eth1":{"name":"lan"}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := bundle.Parse(with(t, members), "/bundle"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBrokenJSON(t *testing.T) {
	for name, c := range map[string]struct{ document, text, field string }{
		"empty":       {"", "config.json is empty", ""},
		"syntax":      {"{\n\t\"ociVersion\": \"1.0.0\"\n\t\"root\": {}\n}", "line 3, column 2", "ociVersion"},
		"cut off":     {`{"process":{"args":["a"`, "line 1, column 23", "process.args[0]"},
		"wrong type":  {"{\"ociVersion\":\"1.0.0\",\n\"mounts\":[{\"destination\":\"/a\"},\n  {\"options\":\"ro\"}]}", "line 3, column 17", "mounts[1].options"},
		"number":      {`{"process":{"user":{"uid":-1}}}`, "number -1", "process.user.uid"},
		"text behind": {minimal + "x", "after top-level value", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := bundle.Parse([]byte(c.document), "/bundle")
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("got %v, want %q in it", err, c.text)
			}
			if f := fault.Of(err); f.Field != c.field || f.Code != fault.JSON {
				t.Errorf("got %s at %q, want %q", f.Code, f.Field, c.field)
			}
		})
	}
}

func TestLoadProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "process.json")
	if err := os.WriteFile(path, []byte(`{"args":["ls"],"cwd":"/","user":{"uid":1,"gid":2}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := bundle.LoadProcess(path)
	if err != nil || p.User.UID != 1 || p.User.GID != 2 {
		t.Errorf("got %+v, %v", p, err)
	}
	if _, err := bundle.LoadProcess(path + "x"); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestReadResources(t *testing.T) {
	r, err := bundle.ReadResources("r", strings.NewReader(`{"memory":{"limit":7},"devices":[{"allow":false,"access":"rwm"}]} rest`))
	if err != nil || *r.Memory.Limit != 7 {
		t.Errorf("got %+v, %v", r, err)
	}
	for document, text := range map[string]string{
		"":                               "r is empty",
		`{"memory":{"limit":"7"}}`:       "line 1, column 22, field memory.limit",
		`{"memory":`:                     "line 1, column 10, field memory",
		`{"devices":[{"access":"rwx"}]}`: "devices[0].access",
	} {
		if _, err := bundle.ReadResources("r", strings.NewReader(document)); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v, want %q in it", document, err, text)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(`{"ociVersion":"1.0.0","root":{"path":"/"},"linux":{"namespaces":[{"type":"user"}],"uidMappings":[{"size":1}]}}`))
	f.Add([]byte(`{"mounts":[{"destination":"a","options":["bind"]}],"hooks":{"prestart":[{"path":"/a","timeout":1}]}}`))
	f.Add([]byte(`{"process":{"args":["a",{"b":[1,2,`))
	f.Add([]byte(`[[[]]]`))
	f.Add([]byte(`{"a":"\u0000","annotations":{"\u0000":""}}`))
	f.Fuzz(func(t *testing.T, config []byte) {
		spec, _, err := bundle.Parse(config, "/bundle")
		if err != nil {
			if fault.Of(err).Code == "" {
				t.Errorf("no code: %v", err)
			}
			return
		}
		if spec.Root == nil || !filepath.IsAbs(spec.Root.Path) || spec.Linux == nil {
			t.Errorf("accepted %+v", spec)
		}
		for _, m := range spec.Mounts {
			if !filepath.IsAbs(m.Destination) || strings.ContainsRune(m.Destination, 0) {
				t.Errorf("accepted mount %+v", m)
			}
		}
		if b, err := json.Marshal(spec); err != nil {
			t.Error(err)
		} else if err := json.Unmarshal(b, &specs.Spec{}); err != nil {
			t.Error(err)
		}
	})
}

func FuzzProcess(f *testing.F) {
	f.Add([]byte(`{"args":["ls"],"cwd":"/","user":{"uid":1,"gid":2},"env":["A=b"],"rlimits":[{"type":"RLIMIT_CORE"}]}`))
	f.Add([]byte(`{"args":["a\u0000"],"cwd":"/\u0000","capabilities":{"bounding":["CAP_X"]},"ioPriority":{}}`))
	f.Add([]byte(`{"args":`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, document []byte) {
		path := filepath.Join(dir, "process.json")
		if err := os.WriteFile(path, document, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := bundle.LoadProcess(path)
		if err == nil && bundle.ValidateProcess(p, "process") == nil && slices.ContainsFunc(p.Args, func(a string) bool { return strings.Contains(a, "\x00") }) {
			t.Errorf("an argument with NUL: %q", p.Args)
		}
	})
}

func FuzzResources(f *testing.F) {
	f.Add(`{"memory":{"limit":7},"devices":[{"allow":false,"access":"rwm"}]} rest`)
	f.Add(`{"hugepageLimits":[{}],"unified":{"":""},"pids":{"limit":-9223372036854775808}}`)
	f.Fuzz(func(t *testing.T, document string) {
		if r, err := bundle.ReadResources("r", strings.NewReader(document)); err == nil && r == nil {
			t.Errorf("%q: neither resources nor an error", document)
		}
	})
}
