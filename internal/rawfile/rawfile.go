// Package rawfile opens, reads and writes files with bare system calls. The first file that package os opens brings
// its poller to life, and each further one is offered to that: on the path that every container takes it costs more
// than what is done with the files.
package rawfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// Open is os.OpenFile without the poller.
func Open(path string, flags int, mode uint32) (*os.File, error) {
	fd, err := open(unix.AT_FDCWD, path, flags, mode)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

func open(dir int, path string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, path, flags|unix.O_CLOEXEC, mode)
		if err == nil {
			return fd, nil
		}
		if err != unix.EINTR {
			return -1, &os.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// Read reads a whole file.
func Read(path string) ([]byte, error) { return readClosed(make([]byte, 0, 2048), path, false) }

// AppendRecord adds a file of a disk, or one of the kernel's of a single record, to b, which saves memory where b has room
// for it: a read that leaves room has come to the file's end.
func AppendRecord(b []byte, path string) ([]byte, error) { return readClosed(b, path, true) }

// AppendRecordKept is AppendRecord of a path relative to dir, and gives the descriptor of the file, which stays open.
func AppendRecordKept(b []byte, dir int, path string) ([]byte, int, error) {
	return read(b, dir, path, true)
}

func readClosed(b []byte, path string, record bool) ([]byte, error) {
	b, fd, err := read(b, unix.AT_FDCWD, path, record)
	if err == nil {
		_ = unix.Close(fd)
	}
	return b, err
}

func read(b []byte, dir int, path string, record bool) ([]byte, int, error) {
	fd, err := open(dir, path, unix.O_RDONLY, 0)
	if err != nil {
		return nil, -1, err
	}
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := unix.Read(fd, b[len(b):cap(b)])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			_ = unix.Close(fd)
			return nil, -1, &os.PathError{Op: "read", Path: path, Err: err}
		}
		b = b[:len(b)+n]
		if n == 0 || record && len(b) < cap(b) {
			return b, fd, nil
		}
	}
}

// Create writes a file of this mode, in place of one that is there.
func Create(path string, b []byte, mode uint32) error {
	fd, err := CreateKept(path, b, mode)
	return closed(fd, path, err)
}

// CreateKept is Create, and gives the descriptor of the file, which stays open.
func CreateKept(path string, b []byte, mode uint32) (int, error) {
	return write(path, b, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, mode)
}

// Write writes to a file that is there, all at once, as files of the kernel want it.
func Write(path string, b []byte) error {
	fd, err := write(path, b, unix.O_WRONLY, 0)
	return closed(fd, path, err)
}

// closed closes a file that was written without an error.
func closed(fd int, path string, err error) error {
	if err != nil {
		return err
	}
	if err := unix.Close(fd); err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

func write(path string, b []byte, flags int, mode uint32) (int, error) {
	fd, err := open(unix.AT_FDCWD, path, flags, mode)
	if err != nil {
		return -1, err
	}
	for done := 0; done < len(b); {
		n, err := unix.Write(fd, b[done:])
		if err != nil && err != unix.EINTR {
			_ = unix.Close(fd)
			return -1, &os.PathError{Op: "write", Path: path, Err: err}
		}
		done += max(n, 0)
	}
	return fd, nil
}
