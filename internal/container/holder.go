package container

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/rawfile"
)

// holder says which command has the lock on the container, "another command" where that cannot be found out.
func (c *Container) holder() string {
	const unknown = "another command"
	var st unix.Stat_t
	if unix.Fstat(int(c.dir.Fd()), &st) != nil {
		return unknown
	}
	text, err := rawfile.Read("/proc/locks")
	if err != nil {
		return unknown
	}
	pid := lockHolder(string(text), fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino))
	line, err := rawfile.Read("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if pid <= 0 || err != nil || len(line) == 0 {
		return unknown
	}
	return fmt.Sprintf("process %d, `%s`", pid, strings.ReplaceAll(strings.TrimSuffix(string(line), "\x00"), "\x00", " "))
}

// lockHolder finds the process that has a lock of flock(2) on a file, in /proc/locks (proc_locks(5)); 0 if there is none,
// or it is in another pid namespace. Lines with "->" are of those that wait.
func lockHolder(locks, file string) int {
	for line := range strings.Lines(locks) {
		f := strings.Fields(line)
		if len(f) == 8 && f[1] == "FLOCK" && f[5] == file {
			pid, _ := strconv.Atoi(f[4])
			return pid
		}
	}
	return 0
}
