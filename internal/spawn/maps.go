package spawn

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// WriteMaps writes the ID maps of the user namespace that the process is in (user_namespaces(7)). Who is not
// privileged may map his own IDs alone, and then has to deny setgroups inside; for more the set-user-ID programs
// newuidmap and newgidmap ask /etc/subuid and /etc/subgid. A map without lines is not written.
func WriteMaps(pid int, uids, gids []specs.LinuxIDMapping, privileged bool) error {
	for _, w := range mapWrites(uids, gids, privileged) {
		if err := w.do(pid); err != nil {
			return err
		}
	}
	return nil
}

// mapWrite is a file of /proc/PID that is written, or a program that does it.
type mapWrite struct {
	file, field string
	helper      string // newuidmap or newgidmap, "" to write the file
	ids         []specs.LinuxIDMapping
}

func mapWrites(uids, gids []specs.LinuxIDMapping, privileged bool) []mapWrite {
	uid := mapWrite{file: "uid_map", field: "linux.uidMappings", ids: uids}
	gid := mapWrite{file: "gid_map", field: "linux.gidMappings", ids: gids}
	list := make([]mapWrite, 0, 3)
	if !privileged && os.Geteuid() != 0 {
		if single(uids, os.Geteuid()) && single(gids, os.Getegid()) {
			// The kernel asks that who cannot set groups outside gives it up inside, too.
			if len(gids) > 0 {
				list = append(list, mapWrite{file: "setgroups", field: gid.field})
			}
		} else {
			uid.helper, gid.helper = "newuidmap", "newgidmap"
		}
	}
	for _, w := range [...]mapWrite{uid, gid} {
		if len(w.ids) > 0 {
			list = append(list, w)
		}
	}
	return list
}

// MapText is a part of WriteMaps in words.
type MapText struct{ Text, Field, Lines string }

// ExplainMaps says what WriteMaps would do.
func ExplainMaps(uids, gids []specs.LinuxIDMapping, privileged bool) (all []MapText) {
	for _, w := range mapWrites(uids, gids, privileged) {
		text := "write " + w.file
		if w.helper != "" {
			text = "have " + w.helper + " write " + w.file
		}
		all = append(all, MapText{text, w.field, string(w.content())})
	}
	return all
}

func (w *mapWrite) content() []byte {
	if w.file == "setgroups" {
		return []byte("deny")
	}
	return lines(w.ids)
}

func (w *mapWrite) do(pid int) error {
	if w.helper != "" {
		return helper(w.helper, w.field, pid, w.ids)
	}
	err := os.WriteFile("/proc/"+strconv.Itoa(pid)+"/"+w.file, w.content(), 0)
	if err == nil {
		return nil
	}
	if w.file == "setgroups" {
		return mapError(w.field, "deny setgroups", err)
	}
	what := mapError(w.field, "write "+w.file, err)
	switch cause(err) {
	case unix.EINVAL:
		return fault.Hint(what, "ranges must not be empty or overlap, and there may be 340 of them, in less than 4096 bytes")
	case unix.EPERM:
		return fault.Hint(what, "the caller may map only IDs that its own user namespace has (/proc/self/uid_map)")
	}
	return what
}

func mapError(field, what string, err error) error {
	return fault.New(fault.Namespace, field, fmt.Errorf("%s: %w", what, cause(err)))
}

// single tells whether the map is of the one ID that is the caller's, or of none.
func single(m []specs.LinuxIDMapping, id int) bool {
	return len(m) == 0 || len(m) == 1 && m[0].Size == 1 && m[0].HostID == uint32(id)
}

func lines(m []specs.LinuxIDMapping) []byte {
	var b []byte
	for _, l := range m {
		b = strconv.AppendUint(b, uint64(l.ContainerID), 10)
		b = strconv.AppendUint(append(b, ' '), uint64(l.HostID), 10)
		b = strconv.AppendUint(append(b, ' '), uint64(l.Size), 10)
		b = append(b, '\n')
	}
	return b
}

// helper runs newuidmap or newgidmap.
func helper(name, field string, pid int, m []specs.LinuxIDMapping) error {
	path, err := find(name)
	if err != nil {
		return fault.Hint(fault.New(fault.Namespace, field, err), helperHint)
	}
	args := []string{strconv.Itoa(pid)}
	for _, n := range bytes.Fields(lines(m)) {
		args = append(args, string(n))
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(out))
		return fault.Hint(fault.New(fault.Namespace, field, err), helperHint)
	}
	return nil
}

const helperHint = "maps of more than your own ID need the package uidmap and a line for you in /etc/subuid and /etc/subgid"

// find looks a program up. Engines may start the runtime without PATH.
func find(name string) (string, error) {
	if os.Getenv("PATH") != "" {
		return exec.LookPath(name)
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		if path, err := exec.LookPath(dir + "/" + name); err == nil {
			return path, nil
		}
	}
	return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
}

// UserNamespace makes a user namespace with these maps, which no process is in: for id-mapped mounts. It takes the
// privilege to map the IDs.
func UserNamespace(uids, gids []specs.LinuxIDMapping) (*os.File, error) {
	s, err := (&Command{}).prepare()
	if err != nil {
		return nil, err
	}
	defer s.close()
	s.wait()
	if err := s.clone(unix.CLONE_NEWUSER); err != nil {
		return nil, err
	}
	defer s.process.Pidfd.Close()
	defer s.process.Kill()
	if err := WriteMaps(s.process.Pid, uids, gids, true); err != nil {
		return nil, err
	}
	f, err := os.Open("/proc/" + strconv.Itoa(s.process.Pid) + "/ns/user")
	if err != nil {
		return nil, fmt.Errorf("open user namespace of child: %w", cause(err))
	}
	return f, nil
}
