package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
)

// graceful is how long what is on its way out may take.
const graceful = 15 * time.Second

// leftovers lists the cgroups, mounts and state of containers that are no more.
func leftovers(e *engine, before []string) []string {
	return settle(func() []string {
		left := slices.Concat(leftCgroups(e), leftState())
		for _, m := range mounts() {
			if !slices.Contains(before, m) && !slices.Contains(e.kept, m) {
				left = append(left, "mount "+m)
			}
		}
		return left
	})
}

// leftProcesses lists the processes of the sandbox beside its first two. The engine has been stopped.
func leftProcesses() []string {
	return settle(func() []string {
		var left []string
		entries, _ := os.ReadDir("/proc")
		for _, entry := range entries {
			pid, err := strconv.Atoi(entry.Name())
			if err != nil || pid == 1 || pid == os.Getpid() {
				continue
			}
			command, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
			if err == nil && len(command) > 0 {
				left = append(left, fmt.Sprintf("process %d %.200s", pid, strings.ReplaceAll(string(command), "\x00", " ")))
			}
		}
		return left
	})
}

// settle asks until nothing is left, for a while.
func settle(ask func() []string) []string {
	for deadline := time.Now().Add(graceful); ; time.Sleep(100 * time.Millisecond) {
		left := ask()
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

func mounts() []string {
	all, _ := mountinfo.GetMounts(nil)
	var points []string
	for _, m := range all {
		points = append(points, m.Mountpoint)
	}
	return points
}

// leftCgroups lists the cgroups of the sandbox that the engine does not keep.
func leftCgroups(e *engine) []string {
	all, _ := hierarchies()
	var left []string
	for _, h := range all {
		_ = filepath.WalkDir(h.Mountpoint, func(p string, d fs.DirEntry, err error) error {
			name, _ := filepath.Rel(h.Mountpoint, p)
			kept := func(pattern string) bool { ok, _ := path.Match(pattern, name); return ok }
			if err == nil && d.IsDir() && name != "." && name != ownCgroup && !slices.ContainsFunc(e.kept, kept) {
				left = append(left, "cgroup "+p)
			}
			return nil
		})
	}
	return left
}

// leftState lists the containers in the runtime's state roots.
func leftState() []string {
	var left []string
	for _, pattern := range []string{"/run/mydocker/*", "/run/runc/*", "/run/crun/*", "/run/containerd/runc/*/*", "/run/docker/runtime-*/*/*"} {
		dirs, _ := filepath.Glob(pattern)
		for _, dir := range dirs {
			left = append(left, "state "+dir)
		}
	}
	return left
}
