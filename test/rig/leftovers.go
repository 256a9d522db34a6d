package rig

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Leftovers lists what of the containers with this prefix of IDs, or with files below dir, is still there: processes,
// cgroups, mounts. What is on its way out gets a moment.
func Leftovers(prefix, dir string) []string {
	var left []string
	for deadline := time.Now().Add(Scale(3 * time.Second)); ; time.Sleep(20 * time.Millisecond) {
		left = slices.Concat(leftProcesses(prefix), leftCgroups(prefix), leftMounts(dir))
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// processes are those in a cgroup that has the prefix in its name.
func processes(prefix string) []int {
	entries, _ := os.ReadDir("/proc")
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + e.Name() + "/cgroup")
		if err == nil && strings.Contains(string(b), prefix) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func leftProcesses(prefix string) []string {
	var left []string
	for _, pid := range processes(prefix) {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if strings.Contains(string(stat), ") Z ") {
			continue // nobody's to reap but its parent's, outside
		}
		left = append(left, "process "+strconv.Itoa(pid)+" "+strings.ReplaceAll(string(b), "\x00", " "))
	}
	return left
}

func leftCgroups(prefix string) []string {
	var left []string
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil //nolint:nilerr // others' cgroups come and go
		}
		if strings.Contains(d.Name(), prefix) {
			left = append(left, "cgroup "+path)
			return fs.SkipDir
		}
		return nil
	})
	return left
}

func leftMounts(dir string) []string {
	b, _ := os.ReadFile("/proc/self/mountinfo")
	var left []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, " "+dir+"/") {
			left = append(left, "mount "+strings.TrimSpace(line))
		}
	}
	return left
}

// RemoveLeftovers ends and removes what Leftovers lists, so that one failure does not cause others.
func RemoveLeftovers(prefix, dir string) {
	for _, pid := range processes(prefix) {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	for _, m := range leftMounts(dir) {
		_ = unix.Unmount(strings.Fields(m)[5], unix.MNT_DETACH)
	}
	time.Sleep(100 * time.Millisecond)
	for _, c := range leftCgroups(prefix) {
		_ = os.Remove(strings.TrimPrefix(c, "cgroup "))
	}
}
