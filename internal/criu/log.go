package criu

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/checkpoint-restore/go-criu/v8/rpc"

	"mydocker/internal/fault"
)

// ErrFailed is what criu could not do.
var ErrFailed = errors.New("criu failed")

// failed makes the error of a request that criu could not meet, from its log: the first error in it is the cause, the
// others are those of callers.
func (c *call) failed(message string, code int32) error {
	reason := firstError(c.log)
	switch {
	case reason != "":
	case message != "":
		reason = message
	case code != 0:
		reason = syscall.Errno(code).Error()
	default:
		reason = "its log does not say why"
	}
	verb := "dump"
	switch c.kind {
	case rpc.CriuReqType_RESTORE:
		verb = "restore"
	case rpc.CriuReqType_PRE_DUMP:
		verb = "pre-dump"
	}
	err := fault.New(fault.CRIU, "", fmt.Errorf("%w to %s: %s (log: %s)", ErrFailed, verb, reason, c.log))
	if hint := hintFor(reason); hint != "" {
		err = fault.Hint(err, hint)
	}
	return err
}

// harmless begins an error that criu goes on from: it cannot raise its own limit of open files.
const harmless = "rlimit: Can't setup RLIMIT_NOFILE for self"

// firstError finds the first error of a log of criu. Its lines are "(00.012345) Error (criu/file.c:12): text", with
// "PID:" behind the time when several processes write it.
func firstError(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		_, text, ok := strings.Cut(line, "Error (")
		if !ok {
			continue
		}
		if _, text, ok = strings.Cut(text, "): "); ok && !strings.HasPrefix(text, harmless) {
			return strings.TrimRight(strings.TrimSpace(text), ".")
		}
	}
	return ""
}

// hintFor tells what to do about a reason that people meet often.
func hintFor(reason string) string {
	for _, known := range []struct{ text, hint string }{
		{"tcp-established", "give --tcp-established"},
		{"connected tcp socket in image", "give --tcp-established"},
		{"shell-job", "give --shell-job"},
		{"dangling tty", "give --shell-job"},
		{"no task found with sid", "give --shell-job"},
		{"path=/dev/pts/", "give --shell-job, if the terminal is the caller's"},
		{"ext-unix-sk", "give --ext-unix-sk"},
		{"without peer", "give --ext-unix-sk, if the other end of the socket is outside of the container"},
		{"file-locks", "give --file-locks"},
		{"link-remap", "give --link-remap"},
		{"in-flight", "give --tcp-skip-in-flight"},
		{"existing cgroups", "the container's cgroup is made first: give --manage-cgroups-mode full"},
		{"vDSO", "this criu is older than the kernel: install a newer one"},
		{"kerndat", "this criu does not know the kernel: install a newer one"},
	} {
		if strings.Contains(strings.ToLower(reason), strings.ToLower(known.text)) {
			return known.hint
		}
	}
	return ""
}
