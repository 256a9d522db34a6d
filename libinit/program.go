package libinit

import (
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Files is a root filesystem as a process in it sees it.
type Files interface {
	// Open opens a file for reading.
	Open(path string) (fd int, err error)
	// Executable tells whether the process may execute a file: nil, or why execve(2) would refuse it.
	Executable(path string) error
}

// initFiles are the files of init itself, which is in the root filesystem, and the program's user, by now.
type initFiles struct{}

func (initFiles) Open(path string) (int, error) {
	return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
}

func (initFiles) Executable(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return unix.EISDIR
	}
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
}

// CheckProgram foresees what the steps Lookup and Exec would say of a program. path is the value of PATH.
func CheckProgram(name, path string, files Files) error {
	s := &Lookup{Name: name, Path: path}
	program, err := s.search(files)
	if err != nil {
		return err
	}
	if errno := foresee(files, program); errno != 0 {
		return diagnose(files, program, errno)
	}
	return nil
}

// foresee is the error of execve(2) for a file that may be executed, 0 when it is not known to be refused.
func foresee(files Files, path string) unix.Errno {
	for range maxInterpreters {
		head := readHead(files, path)
		if head == nil {
			return 0 // it may be executed, but not read
		}
		h, elf := parseELF(head)
		if elf && !h.native() || !elf && !isScript(head) {
			return unix.ENOEXEC
		}
		interpreter := findInterpreter(files, head, path)
		switch {
		case interpreter == "" && elf:
			return 0
		case interpreter == "":
			return unix.ENOEXEC
		}
		switch err := files.Executable(interpreter); err {
		case nil:
		case unix.ENOENT, unix.ENOTDIR:
			return unix.ENOENT
		case unix.EACCES, unix.EISDIR:
			return unix.EACCES
		default:
			return 0
		}
		if elf {
			return 0
		}
		path = interpreter
	}
	return unix.ELOOP
}

// execRefused is the error of an execve that was refused.
func execRefused(code fault.Code, path string, errno unix.Errno, text error) error {
	return &fault.Error{Code: code, Field: "process.args[0]", Path: path, Errno: errno, Err: text}
}
