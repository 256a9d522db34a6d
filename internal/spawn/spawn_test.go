package spawn

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestNew(t *testing.T) {
	needRoot(t)
	all := uintptr(later | unix.CLONE_NEWUSER | unix.CLONE_NEWTIME)
	sets := []uintptr{0, later, all, all &^ unix.CLONE_NEWTIME, all &^ unix.CLONE_NEWPID}
	for i := range flags {
		sets = append(sets, flags[i].flag, flags[i].flag|unix.CLONE_NEWUSER)
	}
	for _, set := range sets {
		t.Run(flagNames(set), func(t *testing.T) {
			var order []string
			c := &Command{
				New: set, Privileged: true, UserRoot: set&unix.CLONE_NEWUSER != 0,
				Placed: func(int) error { order = append(order, "placed"); return nil },
				Mapped: func(pid int) error { order = append(order, "mapped"); return mapRoot(shift)(pid) },
			}
			s := start(t, c)
			checkNamespaces(t, s, set)
			want := []string{"placed"}
			if set&unix.CLONE_NEWUSER != 0 {
				want = append(want, "mapped")
				if s.UIDMap != "0 100000 65536" || s.UID != 0 || s.GID != 0 || len(s.Groups) != 0 {
					t.Errorf("uid %d, gid %d, groups %v, map %q", s.UID, s.GID, s.Groups, s.UIDMap)
				}
				const mqueue = unix.CLONE_NEWIPC | unix.CLONE_NEWNS
				if set&mqueue == mqueue && s.MqueueUID != 0 {
					t.Errorf("mqueue belongs to %d, want 0", s.MqueueUID)
				}
			}
			if !slices.Equal(order, want) {
				t.Errorf("called %v, want %v", order, want)
			}
			if isInit := s.facts.Pid == 1; isInit != (set&unix.CLONE_NEWPID != 0) {
				t.Errorf("pid inside: %d", s.facts.Pid)
			}
			checkChild(t, s)
		})
	}
}

// checkChild checks what holds for all: it is our child, leads a session, has no signal blocked, and can be waited for.
func checkChild(t *testing.T, s *started) {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(s.Process.Pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if ppid, sid := f[1], f[3]; ppid != strconv.Itoa(os.Getpid()) || sid != strconv.Itoa(s.Process.Pid) {
		t.Errorf("pid %d: parent %s, want %d; session %s, want its own", s.Process.Pid, ppid, os.Getpid(), sid)
	}
	if strings.Trim(s.Blocked, "0") != "" {
		t.Errorf("blocked signals: %s", s.Blocked)
	}
	if status := s.finish(); status.ExitStatus() != 7 {
		t.Errorf("status %v, want exit 7", status)
	}
}

func TestTimeOffsets(t *testing.T) {
	needRoot(t)
	const ahead = 1_000_000
	for _, user := range []uintptr{0, unix.CLONE_NEWUSER} {
		s := start(t, &Command{
			New: unix.CLONE_NEWTIME | user, Privileged: true, UserRoot: user != 0, Mapped: mapRoot(shift),
			TimeOffsets: []byte(fmt.Sprintf("boottime %d 0\nmonotonic %d 0\n", ahead, ahead)),
		})
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
			t.Fatal(err)
		}
		if d := s.Boot - now.Sec; d < ahead-600 || d > ahead {
			t.Errorf("boot time is %d s ahead, want %d", d, ahead)
		}
		checkChild(t, s)
	}
	_, err := tryStart(t, &Command{New: unix.CLONE_NEWTIME, Privileged: true, TimeOffsets: []byte("nonsense")})
	checkError(t, err, "set time offsets: invalid argument", unix.EINVAL)
}

func TestCgroup(t *testing.T) {
	needRoot(t)
	root := "/sys/fs/cgroup"
	var fs unix.Statfs_t
	if unix.Statfs(root, &fs) != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC {
		root = "/sys/fs/cgroup/unified"
		if unix.Statfs(root, &fs) != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC {
			t.Skip("no cgroup v2 is mounted")
		}
	}
	path := filepath.Join(root, "mydocker-spawn-test-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Skip("no cgroup can be made: ", err)
	}
	t.Cleanup(func() {
		// The kernel takes a moment to account the end of the last process.
		for range 100 {
			if err := unix.Rmdir(path); err != unix.EBUSY {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	s := start(t, &Command{Cgroup: dir, New: unix.CLONE_NEWPID})
	if !strings.Contains(s.Cgroup, "0::/"+filepath.Base(path)+"\n") {
		t.Errorf("cgroups:\n%s", s.Cgroup)
	}
	checkChild(t, s)
	// With a namespace made after it was placed, the cgroup is the root.
	s = start(t, &Command{Cgroup: dir, New: unix.CLONE_NEWCGROUP})
	if !strings.Contains(s.Cgroup, "0::/\n") {
		t.Errorf("cgroups:\n%s", s.Cgroup)
	}
	checkChild(t, s)
}

// The child shares the caller's memory, whose leave to be traced goes with a change of user.
func TestDumpable(t *testing.T) {
	needRoot(t)
	start(t, &Command{New: unix.CLONE_NEWUSER | unix.CLONE_NEWPID, UserRoot: true, Mapped: mapRoot(shift)})
	if got, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || got != 1 {
		t.Errorf("PR_GET_DUMPABLE after a start: %d, %v; want 1", got, err)
	}
}
