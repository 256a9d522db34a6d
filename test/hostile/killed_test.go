package hostile

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// moment is a time within a command's.
func (f *faults) moment() time.Duration {
	return time.Duration(f.random.Int63n(int64(80 * time.Millisecond)))
}

// killedCreate kills create, or run, at any moment.
func killedCreate(f *faults) {
	command := []string{"create", "run"}[f.random.Intn(2)]
	args := []string{command, "--bundle", f.bundle, f.id}
	if command == "run" {
		args = append([]string{"run", "--detach"}, args[1:]...)
	}
	f.killed(f.moment(), args...)
}

// killed kills the call after a while.
func (f *faults) killed(after time.Duration, args ...string) {
	ctx, cancel := context.WithTimeout(context.Background(), after)
	defer cancel()
	cmd := exec.CommandContext(ctx, f.binary(), append([]string{"--root", f.state()}, args...)...)
	err := cmd.Run()
	f.trace = append(f.trace, fmt.Sprintf("%s, killed after %s: %v", strings.Join(args, " "), after, err))
}

// command brings the container to where a random command makes sense, and gives that command.
func (f *faults) command() []string {
	all := [][]string{
		{"create", "--bundle", f.bundle, f.id}, {"run", "--detach", "--bundle", f.bundle, f.id}, {"start", f.id}, {"exec", f.id, "/bin/attacker", "true"},
		{"exec", "--detach", f.id, "/bin/attacker", "sleep"}, {"kill", f.id, "KILL"}, {"delete", "--force", f.id}, {"pause", f.id}, {"state", f.id}, {"list"},
		{"update", "--pids-limit", "50", f.id}, {"ps", f.id}, {"events", "--stats", f.id},
	}
	c := all[f.random.Intn(len(all))]
	switch c[0] {
	case "create", "run":
	case "start":
		f.do(nil, "create", "--bundle", f.bundle, f.id)
	default:
		f.do(nil, "run", "--detach", "--bundle", f.bundle, f.id)
	}
	return c
}

// killedCommand kills any command at any moment.
func killedCommand(f *faults) {
	c := f.command()
	f.killed(f.moment()/2, c...)
}

// killedAtCall kills a command at one of its system calls.
func killedAtCall(f *faults) {
	c := f.command()
	f.traced(fmt.Sprintf("all:signal=KILL:when=%d", 1+f.random.Intn(500)), c...)
}

// failing are system calls and how they may fail.
var failing = []struct {
	call   string
	errors []string
}{
	{"openat", []string{"EMFILE", "ENFILE", "EACCES", "EIO"}}, {"mkdirat", []string{"ENOSPC", "EROFS", "EDQUOT"}}, {"write", []string{"ENOSPC", "EIO"}},
	{"renameat", []string{"EIO", "ENOSPC"}}, {"clone3", []string{"EAGAIN", "ENOMEM", "ENOSPC"}}, {"socketpair", []string{"EMFILE"}},
	{"pipe2", []string{"EMFILE", "ENFILE"}}, {"sendmsg", []string{"EPIPE", "ENOBUFS"}}, {"recvmsg", []string{"ECONNRESET", "ENOMEM"}},
	{"mknodat", []string{"ENOSPC", "EPERM"}}, {"unlinkat", []string{"EIO", "EBUSY"}}, {"flock", []string{"ENOLCK"}}, {"memfd_create", []string{"ENOMEM", "EMFILE"}},
	{"fsopen", []string{"EPERM", "ENOSYS", "EMFILE"}}, {"fsmount", []string{"EPERM", "ENOSPC"}}, {"open_tree", []string{"EPERM", "ENOSPC"}},
	{"pidfd_open", []string{"EMFILE", "EINVAL"}}, {"pidfd_send_signal", []string{"EPERM"}}, {"waitid", []string{"ECHILD"}}, {"getdents64", []string{"EIO"}},
	{"newfstatat", []string{"EIO"}}, {"fstat", []string{"EIO"}}, {"read", []string{"EIO"}}, {"openat2", []string{"EMFILE", "ENOENT"}}, {"poll", []string{"ENOMEM"}}, {"ppoll", []string{"ENOMEM"}},
}

// failingCall lets one system call of a command fail.
func failingCall(f *faults) {
	c := f.command()
	call := failing[f.random.Intn(len(failing))]
	f.traced(fmt.Sprintf("%s:error=%s:when=%d", call.call, call.errors[f.random.Intn(len(call.errors))], 1+f.random.Intn(12)), c...)
}

// traced runs a command in strace(1), which injects something.
func (f *faults) traced(inject string, args ...string) {
	f.trace = append(f.trace, "inject "+inject)
	f.do(func(cmd *exec.Cmd) {
		path, err := exec.LookPath("strace")
		f.must(err)
		call, _, _ := strings.Cut(inject, ":")
		cmd.Args = append([]string{path, "-qq", "-o", "/dev/null", "-e", "trace=?" + call, "-e", "inject=?" + inject, cmd.Path}, cmd.Args[1:]...)
		if call == "all" {
			cmd.Args[5], cmd.Args[7] = "trace=all", "inject="+inject
		}
		cmd.Path = path
	}, args...)
}

// killedInit kills init at any moment of create, or of start.
func killedInit(f *faults) {
	starting := f.random.Intn(2) == 0
	args := []string{"create", "--bundle", f.bundle, f.id}
	var known string
	if starting {
		f.do(nil, args...)
		known = strconv.Itoa(f.pid())
		args = []string{"start", f.id}
	}
	wait := f.moment()
	var wg sync.WaitGroup
	r := f.do(func(cmd *exec.Cmd) {
		wg.Go(func() {
			time.Sleep(wait)
			for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
				pids := []string{known}
				if known == "" && cmd.Process != nil {
					pids = childrenOf(cmd.Process.Pid)
				}
				for _, pid := range pids {
					_ = exec.Command("kill", "-KILL", pid).Run()
					return
				}
			}
		})
	}, args...)
	wg.Wait()
	if r.failed() && r.err == "" {
		f.fail("no error was told")
	}
}

func childrenOf(pid int) []string {
	var all []string
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range tasks {
		all = append(all, strings.Fields(read(name))...)
	}
	return all
}

// oneIDTwice creates one id several times at once: one has to win.
func oneIDTwice(f *faults) {
	n := 2 + f.random.Intn(3)
	won := f.together(n, func(int) []string { return []string{"create", "--bundle", f.bundle, f.id} })
	if won != 1 {
		f.fail("%d of %d creates of one id succeeded", won, n)
	}
	if r := f.do(nil, "start", f.id); r.failed() {
		f.fail("the one that was made does not start: %s", r.text())
	}
}

// atOnceCommands runs commands on one container at once.
func atOnceCommands(f *faults) {
	f.do(nil, "create", "--bundle", f.bundle, f.id)
	order := f.random.Perm(6)
	all := [][]string{{"start", f.id}, {"start", f.id}, {"delete", "--force", f.id}, {"kill", f.id, "KILL"}, {"exec", f.id, "/bin/attacker", "true"}, {"delete", "--force", f.id}}
	f.together(4, func(i int) []string { return all[order[i]] })
}

// together runs commands at once and tells how many succeeded.
func (f *faults) together(n int, args func(i int) []string) int {
	type answer struct {
		reply
		args []string
	}
	answers := make(chan answer, n)
	for i := range n {
		name := filepath.Join(f.dir, fmt.Sprintf("stream-t%d", i))
		go func() { answers <- answer{f.victim.callTo(name, nil, args(i)...), args(i)} }()
	}
	won := 0
	for range n {
		a := <-answers
		f.note(a.reply, a.args...)
		if !a.failed() {
			won++
		}
	}
	return won
}
