package test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// watched are the calls that a plan is compared with: of mounts, namespaces, IDs, and execve.
const watched = "clone,clone3,fork,vfork,setns,unshare,fsopen,fsconfig,fsmount,fspick,open_tree,move_mount,mount_setattr,mount,umount2," +
	"pivot_root,chroot,setresuid,setresgid,setgroups,capset,prctl,seccomp,execve,execveat,sethostname,setdomainname"

// needStrace returns the path of strace, or skips the test.
func needStrace(t *testing.T) string {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace")
	}
	if out, err := exec.Command(strace, "-f", "-qq", "-c", "true").CombinedOutput(); err != nil {
		t.Skip("strace may not trace here: " + string(out))
	}
	return strace
}

// call is a system call that has succeeded.
type call struct {
	pid    int
	name   string
	args   []string
	result string
}

// watch runs the runtime under strace.
func (s *site) watch(strace string, args ...string) []call {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "strace")
	cmd := s.command(args...)
	at := slices.Index(cmd.Args, binaries.Runtime)
	cmd.Args = slices.Insert(cmd.Args, at, strace, "-f", "-qq", "-y", "-X", "raw", "-s", "4096", "-e", "signal=none", "-e", "trace="+watched, "-o", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	return parseCalls(s.t, string(text))
}

var (
	callLine   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)\) += (-?\w+)`)
	resumeLine = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>(.*)$`)
	cloneFlags = regexp.MustCompile(`flags=(0x[0-9a-f]+|\d+)`)
)

func parseCalls(t *testing.T, text string) (calls []call) {
	t.Helper()
	begun := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if start, ok := strings.CutSuffix(line, " <unfinished ...>"); ok {
			pid, _, _ := strings.Cut(line, " ")
			begun[pid] = start
			continue
		}
		if m := resumeLine.FindStringSubmatch(line); m != nil {
			line = begun[m[1]] + m[2]
		}
		m := callLine.FindStringSubmatch(line)
		if m == nil || strings.HasPrefix(m[4], "-") {
			continue
		}
		pid, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(line)
		}
		calls = append(calls, call{pid, m[2], splitArgs(m[3]), m[4]})
	}
	return calls
}

// splitArgs splits arguments at commas that are in no string, structure or path of a descriptor.
func splitArgs(text string) (args []string) {
	depth, start, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted:
			if c == '\\' {
				i++
			}
			quoted = c != '"'
		case c == '"':
			quoted = true
		case strings.IndexByte("([{<", c) >= 0:
			depth++
		case strings.IndexByte(")]}>", c) >= 0 && !strings.HasSuffix(text[:i], "="):
			depth--
		case c == ',' && depth == 0:
			args = append(args, strings.TrimSpace(text[start:i]))
			start = i + 1
		}
	}
	return append(args, strings.TrimSpace(text[start:]))
}

// seen is what strace saw of a run: by whom, and in words that a plan can be compared with.
type seen struct {
	seal   []string // the runtime, before it clones init
	init   []string // from its clone to the program
	parent []string // the runtime while it serves init
	hooks  []string // the programs of other processes
}

const cloneThread, cloneParent, cloneNamespaces = unix.CLONE_THREAD, unix.CLONE_PARENT, unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP |
	unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWTIME

// sort tells the processes of a run apart. rootfs is taken off the paths in it.
func sortCalls(calls []call, rootfs string) (s seen) {
	init, over := 0, false
	runtime := map[int]bool{calls[0].pid: true}
	for _, c := range calls[1:] {
		if strings.HasPrefix(c.name, "clone") || strings.HasSuffix(c.name, "fork") {
			flags := number(cloneFlags.FindStringSubmatch(strings.Join(c.args, ",") + ",flags=0")[1])
			made := int(number(c.result))
			switch {
			case flags&cloneThread != 0:
				runtime[made] = runtime[made] || runtime[c.pid]
			case init == 0:
				init = made
				s.init = append(s.init, fmt.Sprintf("clone %#x", flags&cloneNamespaces))
			case c.pid == init && flags&cloneParent != 0:
				init = made
				s.init = append(s.init, "clone again")
			case runtime[c.pid] && flags&cloneNamespaces != 0:
				s.parent = append(s.parent, fmt.Sprintf("clone %#x", flags&cloneNamespaces))
			}
			continue
		}
		text := c.text(rootfs)
		switch {
		case text == "" || over && c.pid == init:
		case c.pid == init:
			s.init = append(s.init, text)
			over = c.name == "execve"
		case runtime[c.pid] && init == 0:
			s.seal = append(s.seal, text)
		case runtime[c.pid]:
			s.parent = append(s.parent, text)
		case c.name == "execve":
			s.hooks = append(s.hooks, text)
		}
	}
	return s
}

func number(text string) uint64 {
	n, _ := strconv.ParseUint(text, 0, 64)
	return n
}

// fdPath is the path in NUMBER<PATH>.
func fdPath(arg string) string {
	_, path, _ := strings.Cut(arg, "<")
	return strings.TrimSuffix(path, ">")
}

func unquote(arg string) string {
	if text, err := strconv.Unquote(arg); err == nil {
		return text
	}
	return arg
}

// at is the path of a descriptor and a name relative to it.
func at(dir, name string) string {
	if name = unquote(name); strings.HasPrefix(name, "/") || name == "." {
		return name
	}
	return strings.TrimSuffix(strings.TrimSuffix(fdPath(dir), "/")+"/"+name, "/")
}

// text is the call in the words of plans, "" for one that says nothing.
func (c *call) text(rootfs string) string {
	inside := func(path string) string {
		if rest, ok := strings.CutPrefix(path, rootfs); ok && rootfs != "/" && (rest == "" || rest[0] == '/') {
			path = rest
		}
		return cmp.Or(path, "/")
	}
	a := c.args
	switch c.name {
	case "setns":
		return fmt.Sprintf("setns %#x", number(a[1]))
	case "unshare":
		return fmt.Sprintf("unshare %#x", number(a[0]))
	case "fsopen":
		return "fsopen " + unquote(a[0])
	case "fsconfig":
		switch number(a[1]) {
		case unix.FSCONFIG_SET_STRING:
			return "fsconfig " + unquote(a[2]) + "=" + unquote(a[3])
		case unix.FSCONFIG_SET_FLAG:
			return "fsconfig " + unquote(a[2])
		case unix.FSCONFIG_CMD_RECONFIGURE:
			return "reconfigure"
		}
		return ""
	case "fsmount":
		return fmt.Sprintf("fsmount %#x", number(a[2]))
	case "fspick":
		return "fspick"
	case "open_tree":
		return fmt.Sprintf("open_tree %s recursive=%v", inside(at(a[0], a[1])), number(a[2])&unix.AT_RECURSIVE != 0)
	case "move_mount":
		return "move_mount " + inside(at(a[2], a[3]))
	case "mount_setattr":
		recursive := number(a[2])&unix.AT_RECURSIVE != 0
		var set, clear, propagation string
		for field := range strings.SplitSeq(strings.Trim(a[3], "{}"), ", ") {
			switch name, value, _ := strings.Cut(field, "="); name {
			case "attr_set":
				set = value
			case "attr_clr":
				clear = value
			case "propagation":
				propagation = value
			}
		}
		return attrText(recursive, number(set), number(clear), number(propagation))
	case "mount":
		return fmt.Sprintf("mount %s %s %#x", unquote(a[0]), inside(unquote(a[1])), number(a[3]))
	case "umount2":
		return "umount " + inside(unquote(a[0]))
	case "pivot_root", "chroot":
		return c.name
	case "sethostname", "setdomainname":
		return c.name + " " + unquote(a[0])
	case "setgroups":
		return "setgroups " + a[0]
	case "setresuid", "setresgid":
		return c.name + " " + strings.Join(a, " ")
	case "capset":
		return "capset" + sets.ReplaceAllStringFunc(strings.Trim(a[1], "{}"), setText)
	case "prctl":
		return c.prctl()
	case "seccomp":
		return "seccomp"
	case "execveat":
		return "execveat " + a[2]
	case "execve":
		return "execve " + a[1]
	}
	return ""
}

// sets finds the sets of capset(2): two halves, the low one first, or one.
var sets = regexp.MustCompile(`\w+=([0-9a-fx|]+)(, )?`)

func setText(field string) string {
	name, value, _ := strings.Cut(strings.TrimSuffix(field, ", "), "=")
	low, high, _ := strings.Cut(value, "|")
	return fmt.Sprintf(" %s=%#x", name, number(low)|number(high)<<32)
}

func attrText(recursive bool, set, clear, propagation uint64) string {
	return fmt.Sprintf("setattr recursive=%v +%#x -%#x propagation %#x", recursive, set, clear, propagation)
}

func (c *call) prctl() string {
	switch n := number(c.args[0]); {
	case n == unix.PR_CAPBSET_DROP:
		return fmt.Sprintf("drop %d", number(c.args[1]))
	case n == unix.PR_SET_NO_NEW_PRIVS:
		return "no_new_privs"
	case n == unix.PR_CAP_AMBIENT && number(c.args[1]) == unix.PR_CAP_AMBIENT_RAISE:
		return fmt.Sprintf("raise %d", number(c.args[2]))
	}
	return ""
}
