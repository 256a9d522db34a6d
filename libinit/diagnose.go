package libinit

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// diagnose says why the kernel did not execute the program: its own words name neither the interpreter that is
// missing nor the architecture that is another. It looks at the files only now that there is a failure.
func diagnose(files Files, program string, errno unix.Errno) error {
	text := fmt.Errorf("exec %s: %w", program, errno)
	err := execRefused(execCode(errno), program, errno, text)
	switch errno {
	case unix.ENOENT:
		if file, interpreter := missingInterpreter(files, program); interpreter != "" {
			return fault.Hint(execRefused(fault.ExecInterp, program, errno, text), interpreterHint(file, interpreter))
		}
	case unix.ENOEXEC:
		return fault.Hint(err, formatHint(files, program))
	case unix.EACCES:
		return fault.Hint(err, "its interpreter, or a directory on the way to it, may not be executed by the process's user")
	case unix.ELOOP:
		return fault.Hint(err, fmt.Sprintf("the kernel follows at most %d #! lines from a script to its interpreter", maxInterpreters))
	case unix.ENOMEM:
		return limitHint(err, "process.rlimits", "there is too little memory for the program: see RLIMIT_AS, RLIMIT_DATA and RLIMIT_STACK in process.rlimits, and linux.resources.memory.limit")
	case unix.EAGAIN:
		return limitHint(err, "process.rlimits", "the program's user has more processes than its RLIMIT_NPROC allows, in all containers and on the host")
	case unix.E2BIG:
		return limitHint(err, "process.env", "arguments and environment together may take a quarter of RLIMIT_STACK, but at least 128 KiB: shorten them, or raise that in process.rlimits")
	}
	return err
}

// limitHint is for a program that is all right, and meets a limit.
func limitHint(err error, field, hint string) error {
	facts := fault.Of(err)
	facts.Code, facts.Field, facts.Hint = fault.Process, field, hint
	facts.Err = errors.Unwrap(err)
	return &facts
}

// maxInterpreters is how many times the kernel goes from a script to its interpreter, which may be a script itself.
const maxInterpreters = 5

// missingInterpreter follows a program to the interpreter that is not there, and the file that asks for it.
func missingInterpreter(files Files, path string) (file, interpreter string) {
	for range maxInterpreters {
		interpreter = findInterpreter(files, readHead(files, path), path)
		if interpreter == "" {
			return path, ""
		}
		if err := files.Executable(interpreter); err == unix.ENOENT || err == unix.ENOTDIR {
			return path, interpreter
		}
		path = interpreter
	}
	return "", ""
}

func interpreterHint(file, interpreter string) string {
	if strings.HasSuffix(interpreter, "\r") {
		return fmt.Sprintf("the #! line of %s ends with a carriage return, which counts as part of the interpreter's name", file)
	}
	return fmt.Sprintf("the interpreter %s of %s is not in the root filesystem", interpreter, file)
}

func execCode(errno unix.Errno) fault.Code {
	switch errno {
	case unix.ENOENT, unix.ENOTDIR:
		return fault.ExecNotFound
	case unix.ENOEXEC, unix.ELOOP:
		return fault.ExecFormat
	case unix.EACCES, unix.EPERM:
		return fault.ExecDenied
	}
	return fault.Process
}

// headSize is enough for an ELF header with its program headers, and more than the kernel reads of a #! line.
const headSize = 4096

// readHead reads the beginning of a file, nil if it may not be read.
func readHead(files Files, path string) []byte {
	fd, err := files.Open(path)
	if err != nil {
		return nil
	}
	defer closeFd(fd)
	head := make([]byte, headSize)
	n, err := unix.Read(fd, head)
	if err != nil {
		return nil
	}
	return head[:n]
}

func isScript(head []byte) bool { return bytes.HasPrefix(head, []byte("#!")) }

// findInterpreter is the interpreter that the file asks for: of its #! line, or of its ELF header.
func findInterpreter(files Files, head []byte, path string) string {
	if !isScript(head) {
		return elfInterpreter(files, head, path)
	}
	line, _, _ := bytes.Cut(head[2:], []byte("\n"))
	// As the kernel does: blanks and tabs separate, and nothing else.
	name := strings.TrimLeft(string(line), " \t")
	if i := strings.IndexAny(name, " \t\x00"); i >= 0 {
		name = name[:i]
	}
	return name
}

// formatHint follows scripts to what cannot be executed.
func formatHint(files Files, path string) string {
	for range maxInterpreters {
		head := readHead(files, path)
		h, elf := parseELF(head)
		switch {
		case len(head) == 0:
			return fmt.Sprintf("%s is empty, or cannot be read", path)
		case elf && h.name() != runtime.GOARCH:
			return fmt.Sprintf("%s is built for %s, and this machine is %s", path, h.name(), runtime.GOARCH)
		case elf:
			return fmt.Sprintf("%s is built for %s, as this machine is, but it is no program: it may be cut short, or a library or object file", path, h.name())
		case !isScript(head):
			return fmt.Sprintf("%s is no ELF binary, and has no #! line: a script begins with one, as #!/bin/sh", path)
		}
		interpreter := findInterpreter(files, head, path)
		if interpreter == "" {
			return fmt.Sprintf("the #! line of %s names no interpreter", path)
		}
		path = interpreter
	}
	return "its interpreters are scripts themselves"
}
