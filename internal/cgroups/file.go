package cgroups

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/rawfile"
)

// The files of a cgroup are read and written with bare system calls: os.File would give each to the poller, since
// cgroup files can be polled, which doubles the calls on the path that every container takes.

func open(path string, flags int) (int, error) {
	for {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		if err == nil {
			return fd, nil
		}
		if err != unix.EINTR {
			return -1, &os.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// write writes data in one call, as the kernel wants it for these files.
func write(fd int, path, data string) error {
	for {
		_, err := unix.Write(fd, []byte(data))
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return &os.PathError{Op: "write " + data + " to", Path: path, Err: err}
		}
	}
}

func writeFile(path, data string) error { return rawfile.Write(path, []byte(data)) }

// readFile returns the content of a file of a single record without the newline at its end.
func readFile(path string) (string, error) {
	var room [512]byte
	b, err := rawfile.AppendRecord(room[:0], path)
	return strings.TrimSuffix(string(b), "\n"), err
}

// readLines is readFile for a file of many records.
func readLines(path string) (string, error) {
	b, err := rawfile.Read(path)
	return strings.TrimSuffix(string(b), "\n"), err
}
