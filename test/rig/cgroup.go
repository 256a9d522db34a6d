package rig

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/rogpeppe/go-internal/testscript"
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

// devicePrograms DIR N expects N programs that judge devices in a cgroup.
func devicePrograms(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: devprogs DIR N")
	}
	dir, err := os.Open(args[0])
	ts.Check(err)
	defer dir.Close()
	programs, err := link.QueryPrograms(link.QueryOptions{Target: int(dir.Fd()), Attach: ebpf.AttachCGroupDevice})
	ts.Check(err)
	if got := strconv.Itoa(len(programs.Programs)); got != args[1] {
		ts.Fatalf("%s programs judge the devices of %s, want %s", got, args[0], args[1])
	}
}
