package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/scm"
)

// stdio are the descriptors that the program inherits.
func stdio() []*os.File { return []*os.File{os.Stdin, os.Stdout, os.Stderr} }

// preservedFiles are the descriptors from 3 on that the program inherits: those of LISTEN_FDS (sd_listen_fds(3)) and
// n more. One that is closed on execve is not the caller's: it is ours, and has only got a free number.
func preservedFiles(n int) ([]*os.File, error) {
	listen, _ := listenFDs()
	n += listen
	var files []*os.File
	for fd := 3; fd < 3+n; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC != 0 {
			err = unix.EBADF
		}
		if err != nil {
			return nil, fault.New(fault.Usage, "", fmt.Errorf("preserve descriptor %d: %w", fd, err))
		}
		files = append(files, os.NewFile(uintptr(fd), "preserved "+strconv.Itoa(fd)))
	}
	return files, nil
}

// listenFDs is how many sockets a service manager has given to this very process, and their names.
func listenFDs() (n int, names string) {
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if pid := os.Getenv("LISTEN_PID"); err != nil || n < 0 || pid != strconv.Itoa(os.Getpid()) {
		return 0, ""
	}
	return n, os.Getenv("LISTEN_FDNAMES")
}

// sendConsole hands the master of the pty to the console socket.
func (b *creation) sendConsole(master *os.File) error {
	defer master.Close()
	return sendConsole(b.opts.ConsoleSocket, master)
}

func sendConsole(socket string, master *os.File) error {
	if err := scm.Send(socket, []byte(master.Name()), master); err != nil {
		return fault.New(fault.Console, "", fmt.Errorf("hand over terminal: %w", err))
	}
	return nil
}

func sendPidfd(socket string, pidfd *os.File) error {
	if err := scm.Send(socket, []byte("pidfd"), pidfd); err != nil {
		return fault.New(fault.Usage, "", fmt.Errorf("hand over pidfd: %w", err))
	}
	return nil
}

// writePidFile writes the pid, digits only. The file appears complete; a link of that name is replaced, not followed.
func writePidFile(path string, pid int) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return pidFileError(path, err)
	}
	_, err = f.WriteString(strconv.Itoa(pid))
	if err == nil {
		err = f.Chmod(0o644)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return pidFileError(path, err)
	}
	return nil
}

// pidFileError names the file that was asked for, not the temporary one.
func pidFileError(path string, err error) error {
	var p *os.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		err = p.Err
	case errors.As(err, &l):
		err = l.Err
	}
	return fault.New(fault.Usage, "", fmt.Errorf("write pid file %s: %w", path, err))
}
