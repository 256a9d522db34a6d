package hostile

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// phases are those that a hook holds: each kind of hook runs in one of its own.
var phases = []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}

// killedIn kills the command, or init, while the container is in a phase.
func killedIn(phase string) func(*faults) {
	return func(f *faults) {
		// New ones each time, and left there: the hook that lost its runtime looks for its file still.
		begun, proceed := fmt.Sprint("/tmp/begun", f.step), fmt.Sprint("/tmp/proceed", f.step)
		hook := specs.Hook{Path: "/bin/attacker", Args: []string{"attacker", "hold", begun, proceed}}
		begun, proceed = f.root(begun), f.root(proceed)
		if phase != "startContainer" {
			hook = specs.Hook{Path: filepath.Join(binaries.Dir, "attacker"), Args: []string{"attacker", "hold", begun, proceed}}
		}
		f.spec.Hooks = f.hooksIn(phase, hook)
		f.writeSpec()
		defer func() {
			f.spec.Hooks = nil
			f.writeSpec()
		}()
		args := []string{"run", "--detach", "--bundle", f.bundle, f.id}
		if phase == "poststop" {
			f.do(nil, args...)
			args = []string{"delete", "--force", f.id}
		}
		ofInit := phase != "poststop" && f.random.Intn(2) == 0
		var wg sync.WaitGroup
		r := f.do(func(cmd *exec.Cmd) {
			wg.Go(func() { f.killWhen(begun, proceed, cmd, ofInit) })
		}, args...)
		wg.Wait()
		if ofInit && phase != "poststart" && !r.failed() {
			f.fail("%s succeeded, though init was killed", args[0])
		}
		if ofInit && r.failed() && r.err == "" {
			f.fail("no error was told")
		}
	}
}

// killWhen kills the command or init as soon as a hook has begun, and lets the hook proceed.
func (f *faults) killWhen(begun, proceed string, cmd *exec.Cmd, ofInit bool) {
	for end := time.Now().Add(f.limit / 2); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if unix.Access(begun, unix.F_OK) == nil {
			break
		}
	}
	if unix.Access(begun, unix.F_OK) != nil {
		f.fail("the hook did not begin")
	} else if err := f.killOne(cmd.Process.Pid, ofInit); err != nil {
		f.fail("kill: %v", err)
	}
	f.must(os.WriteFile(proceed, nil, 0o644))
}

func (f *faults) killOne(command int, ofInit bool) error {
	if !ofInit {
		f.trace = append(f.trace, "the command is killed in the hook")
		return unix.Kill(command, unix.SIGKILL)
	}
	f.trace = append(f.trace, "init is killed in the hook")
	for _, pid := range childrenOf(command) {
		for line := range strings.Lines(read("/proc/" + pid + "/status")) {
			if rest, ok := strings.CutPrefix(line, "NSpid:"); ok && len(strings.Fields(rest)) > 1 {
				return exec.Command("kill", "-KILL", pid).Run()
			}
		}
	}
	return unix.ESRCH
}

// hooksIn are hooks with one in a phase, which is named as in config.json.
func (f *faults) hooksIn(phase string, hook specs.Hook) *specs.Hooks {
	b, err := json.Marshal(map[string][]specs.Hook{phase: {hook}})
	f.must(err)
	h := &specs.Hooks{}
	f.must(json.Unmarshal(b, h))
	return h
}
