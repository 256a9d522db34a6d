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
	case message != "" && !strings.HasPrefix(message, harmless):
		reason = message
	case code != 0:
		reason = syscall.Errno(code).Error()
	default:
		reason = "its log does not say why"
	}
	return c.failure(reason)
}

// failure is the error of a request that failed for a reason.
func (c *call) failure(reason string) error {
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
		{"track-mem", "this kernel, or this criu, does not track changes of memory: leave out --pre-dump and --parent-path"},
		{"1:16 opt", "this criu is older than the kernel, which has no such option since Linux 6.16: install a newer one"},
		{"no mapping for", "a mount that was saved is not in config.json any more"},
		{"create a temporary directory", "the root filesystem has to belong to root of the user namespace: criu makes a directory in it"},
		{"open file fd/", "a standard stream leads to a file that root of the container's user namespace may not open: have it lead to a pipe or /dev/null"},
		{"uns: send req error", "criu needs the ID 65534 in the mappings of the user namespace, as a size of 65536 has it"},
		{"has bad size", "a file that was open has changed since it was saved: put it back, or have the streams lead to pipes or /dev/null"},
		{"lazy-pages.socket", "start `criu lazy-pages` first, with the --work-dir that is --work-path here"},
		{"header magic mismatch", "the image files are damaged, or a restore with --auto-dedup has taken out what it has restored"},
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
