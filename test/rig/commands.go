package rig

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// Commands are what scripts have beside testscript's own.
func Commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"bundle": bundle, "set": set, "retry": retry, "status": status, "code": code, "busybox": busybox, "json": jsonValue, "pty": ptyCommand,
		"setns": setFrom("linux.namespaces"), "setseccomp": setFrom("linux.seccomp"), "refuse": refuse, "broken": broken, "criu": criu,
		"cgroup": findCgroup, "devprogs": devicePrograms,
	}
}

// bundle DIR [PATH=VALUE…] makes a bundle: a root filesystem with the payload as /bin/payload, and a config.json
// whose process is `payload` with what the script sets.
func bundle(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: bundle DIR [PATH=VALUE...]")
	}
	dir := ts.MkAbs(args[0])
	for _, d := range []string{"bin", "dev", "etc", "proc", "sys", "tmp", "mnt"} {
		ts.Check(os.MkdirAll(filepath.Join(dir, "rootfs", d), 0o755))
	}
	ts.Check(os.Chmod(filepath.Join(dir, "rootfs/tmp"), 0o1777))
	ts.Check(copyFile(filepath.Join(ts.Getenv("BIN"), "payload"), filepath.Join(dir, "rootfs/bin/payload")))
	write(ts, dir, DefaultConfig())
	change(ts, dir, args[1:])
}

// busybox DIR adds busybox and its applets to the bundle's root filesystem.
func busybox(ts *testscript.TestScript, neg bool, args []string) {
	bin := filepath.Join(ts.MkAbs(args[0]), "rootfs/bin")
	ts.Check(copyFile("/bin/busybox", filepath.Join(bin, "busybox")))
	out, err := exec.Command("/bin/busybox", "--list").Output()
	ts.Check(err)
	for _, applet := range strings.Fields(string(out)) {
		err := os.Symlink("busybox", filepath.Join(bin, applet))
		if err != nil && !os.IsExist(err) {
			ts.Check(err)
		}
	}
}

// copyFile makes an executable that is the script's own: a hard link would let what a script or a container does to its
// file (chown -R, a write) reach the other scripts, and the host's busybox. It is copied by a process: a descriptor
// that is open for writing here could be inherited by a command that another script starts at that moment, and then
// nobody can execute the file (ETXTBSY).
func copyFile(from, to string) error {
	return command(".", "install", "-m", "755", from, to)
}

// set DIR PATH=VALUE… changes values of the bundle's config.json. PATH is of keys and indices with dots between
// ("+" appends to an array, a value of "-" removes), VALUE is JSON, or else a string. @FILE is what a file holds.
func set(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: set DIR PATH=VALUE...")
	}
	change(ts, ts.MkAbs(args[0]), args[1:])
}

func change(ts *testscript.TestScript, dir string, sets []string) {
	b, err := os.ReadFile(filepath.Join(dir, "config.json"))
	ts.Check(err)
	var config any
	ts.Check(json.Unmarshal(b, &config))
	removeUser(config)
	for _, s := range sets {
		path, value, ok := strings.Cut(s, "=")
		if !ok {
			ts.Fatalf("%s: not PATH=VALUE", s)
		}
		if file, found := strings.CutPrefix(value, "@"); found {
			value = ts.ReadFile(file)
		}
		var v any
		if json.Unmarshal([]byte(value), &v) != nil {
			v = value
		}
		config = place(ts, config, strings.Split(path, "."), v)
	}
	write(ts, dir, config)
}

func write(ts *testscript.TestScript, dir string, config any) {
	addUser(config)
	b, err := json.MarshalIndent(config, "", "\t")
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(dir, "config.json"), b, 0o644))
}

// place returns at with v at path.
func place(ts *testscript.TestScript, at any, path []string, v any) any {
	if len(path) == 0 {
		return v
	}
	switch c := at.(type) {
	case []any:
		if path[0] == "+" {
			return append(c, place(ts, nil, path[1:], v))
		}
		i, err := strconv.Atoi(path[0])
		if err != nil || i < 0 || i >= len(c) {
			ts.Fatalf("no element %s", path[0])
		}
		if v == "-" && len(path) == 1 {
			return slices.Delete(c, i, i+1)
		}
		c[i] = place(ts, c[i], path[1:], v)
		return c
	case map[string]any:
		if v == "-" && len(path) == 1 {
			delete(c, path[0])
			return c
		}
		c[path[0]] = place(ts, c[path[0]], path[1:], v)
		return c
	case nil:
		if path[0] == "+" {
			return []any{place(ts, nil, path[1:], v)}
		}
		return map[string]any{path[0]: place(ts, nil, path[1:], v)}
	}
	ts.Fatalf("%s: not an object or array", path[0])
	return nil
}

// setFrom makes a command "DIR FILE" that sets a value of the bundle's config.json to the JSON in a file.
func setFrom(path string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 2 {
			ts.Fatalf("usage: DIR FILE")
		}
		change(ts, ts.MkAbs(args[0]), []string{path + "=" + ts.ReadFile(args[1])})
	}
}

// refuse DIR FIELD PATH=VALUE… expects create to refuse each of the values, alone, in one line that names the field.
func refuse(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: refuse DIR FIELD PATH=VALUE...")
	}
	dir := ts.MkAbs(args[0])
	name := filepath.Join(dir, "config.json")
	config, err := os.ReadFile(name)
	ts.Check(err)
	for _, value := range args[2:] {
		change(ts, dir, []string{value})
		err := ts.Exec("md", "create", "-b", dir, ts.Getenv("ID"))
		text := ts.ReadFile("stderr")
		if err == nil {
			ts.Fatalf("%s: not refused", value)
		}
		field := strings.Contains(text, " field="+args[1]) || strings.Contains(text, ` field="`+args[1])
		if strings.Count(text, "\n") != 1 || !strings.Contains(text, "level=error") || !field {
			ts.Fatalf("%s: not one line with the field %s", value, args[1])
		}
		if err := ts.Exec("md", "state", ts.Getenv("ID")); err == nil {
			ts.Fatalf("%s: a container is left", value)
		}
		ts.Check(os.WriteFile(name, config, 0o644))
	}
}

// retryLimit is how long something that is bound to come may take.
func retryLimit() time.Duration { return Scale(30 * time.Second) }

// retry COMMAND… runs a command until it succeeds.
func retry(ts *testscript.TestScript, neg bool, args []string) {
	for deadline := time.Now().Add(retryLimit()); ; time.Sleep(50 * time.Millisecond) {
		err := ts.Exec(args[0], args[1:]...)
		if (err == nil) != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("still not as wanted after %s: %v", retryLimit(), err)
		}
	}
}

// status ID STATUS waits until the container has a status.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: status ID STATUS")
	}
	last := ""
	for deadline := time.Now().Add(retryLimit()); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		_ = ts.Exec("md", "state", args[0])
		var s struct{ Status string }
		_ = json.Unmarshal([]byte(ts.ReadFile("stdout")), &s)
		if last = s.Status; last == args[1] {
			return
		}
	}
	ts.Fatalf("status of %s: %q, want %q", args[0], last, args[1])
}

// code N COMMAND… runs a command that has to exit with N.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s%s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// json FILE PATH REGEXP matches a value of a JSON document (FILE may be stdout) against a pattern.
func jsonValue(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH REGEXP")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	for _, key := range strings.Split(args[1], ".") {
		switch c := v.(type) {
		case map[string]any:
			v = c[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(c) {
				ts.Fatalf("no element %s", key)
			}
			v = c[i]
		default:
			v = nil
		}
	}
	b, err := json.Marshal(v)
	ts.Check(err)
	if matched, err := regexp.Match("^(?:"+args[2]+")$", b); err != nil || matched == neg {
		ts.Fatalf("%s is %s", args[1], b)
	}
}

// Condition answers the conditions of the scripts.
func Condition(cond string) (bool, error) {
	switch cond {
	case "root":
		return os.Geteuid() == 0, nil
	case "v1", "v2":
		var st unix.Statfs_t
		if err := unix.Statfs("/sys/fs/cgroup", &st); err != nil {
			return false, err
		}
		return (st.Type == unix.CGROUP2_SUPER_MAGIC) == (cond == "v2"), nil
	case "criu":
		works, _ := criuWorks()
		return works, nil
	case "systemd":
		return usesSystemd(), nil
	case "limits":
		return os.Geteuid() == 0 || usesSystemd(), nil
	case "hugepages":
		b, err := os.ReadFile("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
		n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil && n >= 4, nil
	}
	if path, ok := strings.CutPrefix(cond, "file:"); ok {
		_, err := os.Stat(path)
		return err == nil, nil
	}
	if feature, ok := strings.CutPrefix(cond, "criu:"); ok {
		return criuHas(feature), nil
	}
	if controller, ok := strings.CutPrefix(cond, "cgroup:"); ok {
		b, err := os.ReadFile("/proc/self/cgroup")
		return err == nil && regexp.MustCompile(`(?m)^\d+:(.*,)?`+controller+`(,.*)?:`).Match(b), nil
	}
	return false, fmt.Errorf("unknown condition %s", cond)
}

func usesSystemd() bool { return strings.Contains(os.Getenv("RUNTIME_FLAGS"), "--systemd-cgroup") }

// DefaultConfig is what a script's bundle begins with.
func DefaultConfig() map[string]any {
	var config map[string]any
	if err := json.Unmarshal([]byte(defaultConfig), &config); err != nil {
		panic(err)
	}
	return config
}

const defaultConfig = `{
	"ociVersion": "1.3.0",
	"process": {
		"user": {"uid": 0, "gid": 0},
		"args": ["payload", "true"],
		"env": ["PATH=/bin", "TERM=xterm"],
		"cwd": "/",
		"capabilities": {
			"bounding": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
			"effective": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
			"permitted": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
		},
		"rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
		"noNewPrivileges": true
	},
	"root": {"path": "rootfs", "readonly": true},
	"hostname": "mydocker",
	"mounts": [
		{"destination": "/proc", "type": "proc", "source": "proc"},
		{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
		{"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
		{"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
		{"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
		{"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
		{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}
	],
	"linux": {
		"resources": {"devices": [{"allow": false, "access": "rwm"}]},
		"namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}],
		"maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
		"readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
	}
}`
