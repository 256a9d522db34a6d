package spawn

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// WriteMaps writes the ID maps of the user namespace that the process is in (user_namespaces(7)). Who is not
// privileged may map his own ID alone; for more the set-user-ID programs newuidmap and newgidmap ask /etc/subuid and
// /etc/subgid.
func WriteMaps(pid int, uids, gids []specs.LinuxIDMapping, privileged bool) error {
	if len(uids) == 0 && len(gids) == 0 {
		return nil
	}
	dir := "/proc/" + strconv.Itoa(pid) + "/"
	if privileged || os.Geteuid() == 0 {
		return writeBoth(dir, uids, gids)
	}
	if single(uids, os.Geteuid()) && single(gids, os.Getegid()) {
		// The kernel asks that who cannot set groups outside gives it up inside, too.
		if err := os.WriteFile(dir+"setgroups", []byte("deny"), 0); err != nil {
			return mapError("linux.gidMappings", "deny setgroups", err)
		}
		return writeBoth(dir, uids, gids)
	}
	if err := helper("newuidmap", "linux.uidMappings", pid, uids); err != nil {
		return err
	}
	return helper("newgidmap", "linux.gidMappings", pid, gids)
}

func writeBoth(dir string, uids, gids []specs.LinuxIDMapping) error {
	if err := os.WriteFile(dir+"uid_map", lines(uids), 0); err != nil {
		return mapError("linux.uidMappings", "write uid_map", err)
	}
	if err := os.WriteFile(dir+"gid_map", lines(gids), 0); err != nil {
		return mapError("linux.gidMappings", "write gid_map", err)
	}
	return nil
}

func mapError(field, what string, err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fault.New(fault.Namespace, field, fmt.Errorf("%s: %w", what, err))
}

// single tells whether the map is of the one ID that is the caller's.
func single(m []specs.LinuxIDMapping, id int) bool {
	return len(m) == 1 && m[0].Size == 1 && m[0].HostID == uint32(id)
}

func lines(m []specs.LinuxIDMapping) []byte {
	var b bytes.Buffer
	for _, l := range m {
		fmt.Fprintf(&b, "%d %d %d\n", l.ContainerID, l.HostID, l.Size)
	}
	return b.Bytes()
}

// helper runs newuidmap or newgidmap.
func helper(name, field string, pid int, m []specs.LinuxIDMapping) error {
	path, err := exec.LookPath(name)
	if err != nil {
		// Engines start the runtime without PATH.
		path = "/usr/bin/" + name
	}
	args := []string{strconv.Itoa(pid)}
	for _, l := range m {
		args = append(args, fmt.Sprint(l.ContainerID), fmt.Sprint(l.HostID), fmt.Sprint(l.Size))
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(out))
		return fault.Hint(fault.New(fault.Namespace, field, err),
			"maps of more than your own ID need the package uidmap and a line for you in /etc/subuid and /etc/subgid")
	}
	return nil
}

// UserNamespace makes a user namespace with these maps, which no process is in: for id-mapped mounts.
func UserNamespace(uids, gids []specs.LinuxIDMapping) (*os.File, error) {
	s := &spawn{Command: &Command{}}
	defer s.close()
	gateRead, err := s.pipes()
	if err != nil {
		return nil, err
	}
	s.args.flags = unix.CLONE_NEWUSER
	s.wait(gateRead)
	s.call("exit", unix.SYS_EXIT_GROUP, 0)
	if err := s.clone(); err != nil {
		return nil, err
	}
	defer s.process.Pidfd.Close()
	defer s.process.Kill()
	if err := WriteMaps(s.process.Pid, uids, gids, true); err != nil {
		return nil, err
	}
	return os.Open("/proc/" + strconv.Itoa(s.process.Pid) + "/ns/user")
}

// Ended tells how the process has ended, if it has.
func (p *Process) Ended() (string, bool) {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, p.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", false
		}
		break
	}
	// si_status of SIGCHLD lies behind pid and uid.
	status := *(*int32)(unsafe.Add(unsafe.Pointer(&info), 24))
	if info.Code == 1 { // CLD_EXITED
		return "exit status " + strconv.Itoa(int(status)), true
	}
	return "signal: " + unix.SignalName(unix.Signal(status)), true
}
