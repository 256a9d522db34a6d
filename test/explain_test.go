package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mydocker/test/rig"
)

// explained is what `explain --format json` prints.
type explained struct {
	Rootfs string
	Steps  []explainedStep
}

type explainedStep struct {
	Who, Phase, Kind, Text, Field string
	Data                          json.RawMessage
}

// Bundles whose plan, as explain prints it, is what strace sees the run do.
func TestExplainIsWhatRunDoes(t *testing.T) {
	needRoot(t)
	if os.Getenv("RUNTIME") != "" {
		t.Skip("the plan is that of the runtime that is built here")
	}
	strace := needStrace(t)
	for name, f := range explainedBundles {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "payload", "true")
			// Root of a user namespace has to reach the root filesystem.
			for dir := s.bundle; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
				if err := os.Chmod(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			config := rig.DefaultConfig()
			flags := f(t, s, config)
			if flags == nil {
				flags = []string{"--bundle", s.bundle, s.id(0)}
			}
			s.configure(config)
			compareRun(t, s, strace, flags)
		})
	}
}

func compareRun(t *testing.T, s *site, strace string, flags []string) {
	t.Helper()
	out, err := s.run(append([]string{"explain", "--format", "json"}, flags...)...)
	if err != nil {
		t.Fatal(err, out)
	}
	var d explained
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatal(err)
	}
	want := expect(t, &d)
	got := sortCalls(s.watch(strace, append([]string{"run"}, flags...)...), d.Rootfs)
	for _, c := range []struct {
		what      string
		want, got []string
	}{{"init", want.init, got.init}, {"runtime", want.parent, got.parent}, {"hooks", want.hooks, got.hooks}} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-plan +run):\n%s", c.what, diff)
		}
	}
	// The copy of the binary is the one thing that the runtime mounts before there is a container.
	allowed := []string{"fsopen overlay", "fsopen tmpfs", "fsconfig lowerdir", "fsconfig upperdir", "fsconfig workdir", "fsconfig metacopy", "fsmount", "setattr"}
	for _, text := range got.seal {
		if !slices.ContainsFunc(allowed, func(a string) bool { return strings.HasPrefix(text, a) }) {
			t.Errorf("the runtime, before the container: %s", text)
		}
	}
}

type config = map[string]any

func section(c config, name string) config {
	inner, ok := c[name].(config)
	if !ok {
		inner = config{}
		c[name] = inner
	}
	return inner
}

func add(c config, name string, values ...any) {
	list, _ := c[name].([]any)
	c[name] = append(list, values...)
}

// withUserNamespace maps IDs from 100000 on. The root filesystem is the container's root's.
func withUserNamespace(t *testing.T, s *site, c config) {
	t.Helper()
	l := section(c, "linux")
	add(l, "namespaces", config{"type": "user"})
	ids := []any{config{"containerID": 0, "hostID": 100000, "size": 65536}}
	l["uidMappings"], l["gidMappings"] = ids, ids
	if out, err := exec.Command("chown", "-R", "100000:100000", filepath.Join(s.bundle, "rootfs")).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
}

// holder starts a process in namespaces of its own and returns the directory of their files.
func holder(t *testing.T, flags ...string) string {
	t.Helper()
	cmd := exec.Command("unshare", append(flags, "sh", "-c", "echo; exec sleep 300")...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/proc/%d/ns", cmd.Process.Pid)
}

// volume makes a directory on the host to be mounted.
func volume(t *testing.T, s *site, name string) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(s.bundle), name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// joinNamespace has the container join a namespace by path in the place of a new one.
func joinNamespace(c config, kind, path string) {
	for _, ns := range section(c, "linux")["namespaces"].([]any) {
		if ns := ns.(config); ns["type"] == kind {
			ns["path"] = path
		}
	}
}

// explainedBundles change a configuration, and return flags in the place of those for the bundle, or nil.
var explainedBundles = map[string]func(*testing.T, *site, config) []string{
	"default": func(*testing.T, *site, config) []string { return nil },
	"user": func(t *testing.T, s *site, c config) []string {
		withUserNamespace(t, s, c)
		add(c, "mounts", config{"destination": "/vol", "type": "bind", "source": volume(t, s, "vol"), "options": []any{"rbind", "ro"}})
		return nil
	},
	"joined": func(t *testing.T, s *site, c config) []string {
		dir := holder(t, "--net", "--ipc")
		joinNamespace(c, "network", dir+"/net")
		joinNamespace(c, "ipc", dir+"/ipc")
		return nil
	},
	"joined-pid": func(t *testing.T, s *site, c config) []string {
		joinNamespace(c, "pid", holder(t, "--pid", "--fork", "--kill-child")+"/pid_for_children")
		return nil
	},
	"time": func(t *testing.T, s *site, c config) []string {
		add(section(c, "linux"), "namespaces", config{"type": "time"}, config{"type": "cgroup"})
		section(c, "linux")["timeOffsets"] = config{"monotonic": config{"secs": 7}}
		return nil
	},
	"idmapped": func(t *testing.T, s *site, c config) []string {
		ids := []any{config{"containerID": 0, "hostID": 5000, "size": 10}}
		for _, name := range []string{"one", "two"} {
			add(c, "mounts", config{
				"destination": "/" + name, "type": "bind", "source": volume(t, s, name), "options": []any{"bind", "nosuid"},
				"uidMappings": ids, "gidMappings": ids,
			})
		}
		return nil
	},
	"terminal": func(t *testing.T, s *site, c config) []string {
		section(c, "process")["terminal"] = true
		return nil
	},
	"no-pivot": func(_ *testing.T, s *site, c config) []string {
		return []string{"--no-pivot", "--bundle", s.bundle, s.id(0)}
	},
	"masks": func(_ *testing.T, s *site, c config) []string {
		l := section(c, "linux")
		l["maskedPaths"] = []any{"/proc/kcore", "/proc/scsi", "/sys/firmware", "/nothing", "/proc/keys", "/proc/keys", "/tmp", "/bin/payload/no"}
		l["readonlyPaths"] = []any{"/proc/sys", "/proc/nothing", "/tmp"}
		section(c, "root")["readonly"] = false
		return nil
	},
	"mounts": func(t *testing.T, s *site, c config) []string {
		add(c, "mounts",
			config{"destination": "/a", "type": "tmpfs", "source": "tmpfs", "options": []any{"ro", "mode=700", "noatime"}},
			config{"destination": "/b", "type": "bind", "source": volume(t, s, "b"), "options": []any{"rbind", "ro", "rnosuid", "rslave"}},
			config{"destination": "/b", "type": "bind", "options": []any{"bind", "remount", "nodev", "ro"}},
			config{"destination": "/c", "type": "bind", "source": volume(t, s, "c"), "options": []any{"bind", "rprivate", "rslave"}},
			config{"destination": "/d", "type": "cgroup2", "source": "cgroup", "options": []any{"ro", "nosuid"}},
		)
		section(c, "linux")["rootfsPropagation"] = "private"
		add(section(c, "linux"), "devices", config{"path": "/dev/other", "type": "c", "major": 1, "minor": 3})
		return nil
	},
	"process": func(_ *testing.T, s *site, c config) []string {
		p := section(c, "process")
		p["user"] = config{"uid": 1000, "gid": 1001, "additionalGids": []any{5, 6, 7}}
		caps := []any{"CAP_NET_RAW", "CAP_BPF", "CAP_KILL"}
		p["capabilities"] = config{"bounding": caps, "effective": caps, "permitted": caps, "inheritable": caps, "ambient": caps[:1]}
		p["noNewPrivileges"] = false
		c["domainname"] = "domain"
		section(c, "linux")["sysctl"] = config{"net.ipv4.ip_forward": "1"}
		section(c, "linux")["seccomp"] = config{
			"defaultAction": "SCMP_ACT_ALLOW",
			"syscalls":      []any{config{"names": []any{"keyctl"}, "action": "SCMP_ACT_ERRNO"}},
		}
		return nil
	},
	"hooks": func(_ *testing.T, s *site, c config) []string {
		hooks := config{}
		for _, kind := range []string{"prestart", "createRuntime", "createContainer", "poststart", "poststop"} {
			hooks[kind] = []any{config{"path": "/bin/true", "args": []any{kind}}}
		}
		hooks["startContainer"] = []any{config{"path": "/bin/payload", "args": []any{"startContainer", "true"}}}
		c["hooks"] = hooks
		return nil
	},
	"rootfs": func(_ *testing.T, s *site, _ config) []string {
		return []string{
			"--rootfs", filepath.Join(s.bundle, "rootfs"), "--memory", "64m", "--pids", "20", "--user", "12:13", "--rw",
			"--volume", s.bundle + ":/tmp:ro", "--hostname", "flags", s.id(0), "--", "/bin/payload", "true",
		}
	},
	"host": func(_ *testing.T, s *site, _ config) []string { return []string{s.id(0), "--", "/bin/true"} },
}
