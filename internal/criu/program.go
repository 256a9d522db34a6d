// Package criu talks to the criu program (https://criu.org), which saves the processes of a container in image files
// and makes them anew from there.
//
// It starts `criu swrk`, whose protocol is that of criu's RPC: protocol buffers over a SOCK_SEQPACKET socket. The
// messages are those of github.com/checkpoint-restore/go-criu; its client is not used, since it takes neither the
// terminal's master that criu sends with a message nor a signal to the command, and starts criu in the caller's mount
// namespace.
package criu

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"mydocker/internal/fault"
)

// program is the name of criu on the PATH.
const program = "criu"

// oldest is the first version that can restore what containers of today have: time namespaces and processes made by
// clone3(2) with given pids (3.14), and from then on file descriptors of its own for external files.
var oldest = version{3, 15}

// version is major and minor.
type version [2]int

func (v version) String() string { return strconv.Itoa(v[0]) + "." + strconv.Itoa(v[1]) }

func (v version) before(w version) bool { return v[0] < w[0] || v[0] == w[0] && v[1] < w[1] }

// errMissing is a host without the program.
var errMissing = errors.New("criu: executable file not found in $PATH")

// find returns the path of a criu that is new enough.
func find() (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fault.Hint(fault.New(fault.Unsupported, "", errMissing), "install criu, version "+oldest.String()+" or later: it saves and restores processes")
	}
	out, err := exec.Command(path, "--version").CombinedOutput()
	v, ok := parseVersion(out)
	if !ok {
		if err == nil {
			err = errors.New("no version in its output")
		}
		return "", fault.New(fault.CRIU, "", fmt.Errorf("ask %s for its version: %w: %s", path, err, firstLine(out)))
	}
	if v.before(oldest) {
		err := fmt.Errorf("criu %s (%s) is too old: %s or later is needed", v, path, oldest)
		return "", fault.Hint(fault.New(fault.Unsupported, "", err), "install a newer criu")
	}
	return path, nil
}

// parseVersion reads the output of criu --version, whose first line is "Version: 3.17.1".
func parseVersion(out []byte) (v version, ok bool) {
	for line := range strings.Lines(string(out)) {
		text, found := strings.CutPrefix(strings.TrimSpace(line), "Version: ")
		if !found {
			continue
		}
		parts := strings.SplitN(text, ".", 3)
		if len(parts) < 2 {
			return v, false
		}
		for i := range v {
			n, err := strconv.Atoi(parts[i])
			if err != nil {
				return v, false
			}
			v[i] = n
		}
		return v, true
	}
	return v, false
}

func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(b), []byte("\n"))
	return string(line)
}
