package cgroups

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
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

func writeFile(path, data string) error {
	fd, err := open(path, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return write(fd, path, data)
}

// readFile returns the content without the newline at its end.
func readFile(path string) (string, error) {
	fd, err := open(path, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", &os.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return strings.TrimSuffix(string(all), "\n"), nil
		}
		all = append(all, buf[:n]...)
	}
}
