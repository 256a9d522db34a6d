package rig

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// findCgroup ID sets CG to the directory of the container's cgroup in the v2 tree, by where its init is.
func findCgroup(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cgroup ID")
	}
	ts.Check(ts.Exec("md", "state", args[0]))
	var state struct{ Pid int }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &state))
	b, err := os.ReadFile("/proc/" + strconv.Itoa(state.Pid) + "/cgroup")
	ts.Check(err)
	for line := range strings.Lines(string(b)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			ts.Setenv("CG", "/sys/fs/cgroup"+path)
			return
		}
	}
	ts.Fatalf("init is in no v2 cgroup:\n%s", b)
}

// devicePrograms DIR NAME sets the variable NAME to how many programs judge the devices of a v2 cgroup (bpf(2),
// BPF_PROG_QUERY).
func devicePrograms(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: devprogs DIR NAME")
	}
	dir, err := os.Open(args[0])
	ts.Check(err)
	defer dir.Close()
	var ids [64]uint32
	query := struct {
		target, kind, flags, attached uint32
		ids                           uint64
		count, _                      uint32
		_                             [5]uint64
	}{target: uint32(dir.Fd()), kind: unix.BPF_CGROUP_DEVICE, ids: uint64(uintptr(unsafe.Pointer(&ids))), count: uint32(len(ids))}
	if _, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_QUERY, uintptr(unsafe.Pointer(&query)), unsafe.Sizeof(query)); errno != 0 {
		ts.Fatalf("bpf: %v", errno)
	}
	ts.Setenv(args[1], strconv.Itoa(int(query.count)))
}
