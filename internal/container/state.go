package container

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"sync"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/cgroups"
	"mydocker/internal/fault"
	"mydocker/internal/jsondoc"
	"mydocker/internal/rawfile"
	"mydocker/internal/rdt"
)

// Statuses of a container (runtime-spec, runtime.md, "State"), and runc's own "paused".
const (
	Creating = string(specs.StateCreating)
	Created  = string(specs.StateCreated)
	Running  = string(specs.StateRunning)
	Stopped  = string(specs.StateStopped)
	Paused   = "paused"
)

// State is what `state` and `list` print.
type State struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Pid         int               `json:"pid"`
	Status      string            `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Owner       string            `json:"owner"`
}

// record is state.json: what later commands need to know of a container.
type record struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Owner       int               `json:"owner"`

	Creator   process        `json:"creator"` // the command that creates it
	Init      process        `json:"init"`    // zero until it is created
	Cgroup    *cgroups.Saved `json:"cgroup,omitempty"`
	RDT       *rdt.Saved     `json:"rdt,omitempty"`
	Poststart []specs.Hook   `json:"poststart,omitempty"`
	Poststop  []specs.Hook   `json:"poststop,omitempty"`
	// SharedPid says that the container has no pid namespace of its own: its processes outlive init.
	SharedPid bool `json:"sharedPid,omitempty"`
	// RestoredTime says that init's time namespace is not in config.json: criu makes one for clocks that go on.
	RestoredTime bool   `json:"restoredTime,omitempty"`
	NoProcess    bool   `json:"noProcess,omitempty"` // config.json has no process
	Notify       string `json:"notify,omitempty"`    // the host's NOTIFY_SOCKET
	// StartHooks says that there are startContainer hooks.
	StartHooks bool      `json:"startHooks,omitempty"`
	Ready      time.Time `json:"ready"` // since when init waits for start; zero until then
}

// read reads state.json, unless rec is what it says. A container whose directory has none is one that a create has just begun (or has
// died on).
func (c *Container) read() error {
	if c.current() {
		return nil
	}
	return c.readBy(make([]byte, 0, stateRoom))
}

// current tells whether rec is what state.json says: a state file is not written to, but replaced by another one.
func (c *Container) current() bool {
	var byName, byFd unix.Stat_t
	fd := int(c.file.Load())
	return fd > 0 && unix.Stat(c.path(stateFile), &byName) == nil && unix.Fstat(fd, &byFd) == nil &&
		byName.Ino == byFd.Ino && byName.Dev == byFd.Dev
}

// keepFile holds on to the state file that rec was read from or written to, and lets go of the one before. 0 is none: the
// standard streams are open in every Go program.
func (c *Container) keepFile(fd int) {
	if before := c.file.Swap(int32(fd)); before > 0 {
		_ = unix.Close(int(before))
	}
}

// stateRoom is enough for most state files.
const stateRoom = 4096

// readBy reads it by means of room, which can be used again.
func (c *Container) readBy(room []byte) error {
	dir, path := c.at(stateFile)
	b, fd, err := rawfile.AppendRecordKept(room, dir, path)
	if errors.Is(err, os.ErrNotExist) {
		return notFound()
	}
	if err != nil {
		return fault.New(fault.StateDirectory, "", err)
	}
	c.keepFile(fd)
	var rec record
	if err := jsondoc.Decode(b, &rec); err != nil || rec.ID != c.rec.ID {
		if err == nil {
			err = fmt.Errorf("it is that of container %q", rec.ID)
		}
		c.keepFile(0)
		return fault.Hint(fault.New(fault.StateDirectory, "", fmt.Errorf("read %s: %w", c.path(stateFile), err)),
			"`delete -f` clears what can be found of the container")
	}
	c.rec = rec
	return nil
}

// write writes state.json. Readers see the old one or the new one.
func (c *Container) write() error {
	fd, err := c.replace(stateFile, jsondoc.Encode(&c.rec))
	if err != nil {
		c.keepFile(0) // rec is not what it says
		return fault.New(fault.StateDirectory, "", err)
	}
	c.keepFile(fd)
	return nil
}

func (c *Container) writeFile(name string, b []byte) error {
	fd, err := c.replace(name, b)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// replace writes a file, which readers find whole, and gives its descriptor.
func (c *Container) replace(name string, b []byte) (int, error) {
	temp := c.path("." + name)
	fd, err := rawfile.CreateKept(temp, b, 0o600)
	if err != nil {
		return -1, err
	}
	if err := unix.Rename(temp, c.path(name)); err != nil {
		_ = unix.Close(fd)
		return -1, &os.LinkError{Op: "rename", Old: temp, New: c.path(name), Err: err}
	}
	return fd, nil
}

// State returns the container's state as it is now.
func (c *Container) State() (*State, error) {
	status, err := c.status()
	if err != nil {
		return nil, err
	}
	s := &State{
		Version: c.rec.Version, ID: c.rec.ID, Pid: c.rec.Init.Pid, Status: status, Bundle: c.rec.Bundle,
		Rootfs: c.rec.Rootfs, Created: c.rec.Created, Annotations: c.rec.Annotations, Owner: ownerName(c.rec.Owner),
	}
	if status == Stopped {
		s.Pid = 0
	}
	return s, nil
}

// status asks the kernel how the container is.
func (c *Container) status() (string, error) {
	if c.rec.Init.Pid == 0 {
		if !c.rec.Creator.alive() {
			return Stopped, nil
		}
		return Creating, nil
	}
	if !c.rec.Init.alive() {
		return Stopped, nil
	}
	frozen, err := cgroups.Frozen(c.rec.Cgroup)
	if err != nil {
		return "", err
	}
	if frozen {
		return Paused, nil
	}
	if c.waiting() {
		return Created, nil
	}
	return Running, nil
}

// waiting tells whether init waits for start: start removes the exec FIFO when the program runs.
func (c *Container) waiting() bool {
	dir, path := c.at(execFIFO)
	return unix.Faccessat(dir, path, unix.F_OK, 0) == nil
}

func (c *Container) cgroup() *cgroups.Cgroup {
	if c.rec.Cgroup == nil {
		return nil
	}
	cg, err := cgroups.Load(c.rec.Cgroup)
	if err != nil {
		return nil
	}
	return cg
}

// specState is the state that hooks and the seccomp agent get (runtime.md, "State").
func (c *Container) specState(status specs.ContainerState, pid int) *specs.State {
	return &specs.State{
		Version: c.rec.Version, ID: c.rec.ID, Status: status, Pid: pid, Bundle: c.rec.Bundle,
		Annotations: c.rec.Annotations,
	}
}

func ownerName(uid int) string {
	if uid == 0 {
		return "root"
	}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return ""
}

// process names a process for good: a pid is given to another one in time.
type process struct {
	Pid   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks after boot, field 22 of /proc/PID/stat (proc_pid_stat(5))
}

// identify makes a process of a pid that is known to be alive.
func identify(pid int) (process, error) {
	start, _, err := stat(pid)
	return process{Pid: pid, Start: start}, err
}

// alive tells whether the process is there and has not ended: a zombie has. One that cannot be looked at, for want of
// descriptors, is not taken for gone.
func (p process) alive() bool {
	if p.Pid <= 0 {
		return false
	}
	start, ended, err := stat(p.Pid)
	if err != nil {
		return !gone(err)
	}
	return start == p.Start && !ended
}

// procIsOurs tells whether /proc is that of the caller's pid namespace.
var procIsOurs = sync.OnceValue(func() bool {
	var room [16]byte
	n, err := unix.Readlink("/proc/self", room[:])
	return err == nil && string(room[:n]) == strconv.Itoa(os.Getpid())
})

// ProcIsOurs tells whether the numbers in /proc are those of the caller's pid namespace.
func ProcIsOurs() bool { return procIsOurs() }

// gone tells whether the error is that of a process that is not there any more.
func gone(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) }

// stat reads the start time of a process, and whether it has ended and was not waited for.
func stat(pid int) (start uint64, ended bool, err error) {
	var room [1024]byte
	b, err := rawfile.AppendRecord(room[:0], "/proc/"+strconv.Itoa(pid)+"/stat")
	if err != nil {
		return 0, false, err
	}
	start, state, threads, err := parseStat(b)
	if err != nil {
		return 0, false, fmt.Errorf("stat of process %d: %w", pid, err)
	}
	if state == 'X' || state == 'Z' {
		// A process whose first thread has ended shows as a zombie while the others run on.
		ended = threads == "1" || threadsExit(pid)
	}
	return start, ended, nil
}

// parseStat picks the start time, the state and the number of threads out of /proc/PID/stat.
func parseStat(b []byte) (start uint64, state byte, threads string, err error) {
	// The name, in parentheses, may hold anything: the last ")" ends it.
	b = b[bytes.LastIndexByte(b, ')')+1:]
	for at := 0; ; at++ {
		b = bytes.TrimLeft(b, " ") // not bytes.FieldsSeq, for which b would have to be on the heap
		end := bytes.IndexByte(b, ' ')
		if end < 0 {
			break
		}
		f := b[:end]
		b = b[end:]
		switch at {
		case 0:
			state = f[0]
		case 17:
			threads = string(f)
		case 19:
			start, err = strconv.ParseUint(string(f), 10, 64)
			if state >= 'A' {
				return start, state, threads, err
			}
		}
	}
	return 0, 0, "", errors.New("malformed")
}

// threadsExit tells whether all threads but the first are on their way out. The last one of a pid namespace's init waits
// there until whoever has put a process into the namespace has waited for that.
func threadsExit(pid int) bool {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return gone(err)
	}
	for _, t := range tasks {
		b, err := rawfile.Read(dir + "/" + t.Name() + "/stat")
		if err != nil {
			continue
		}
		fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
		if len(fields) < 7 {
			return false
		}
		const exiting = 0x4 // PF_EXITING
		flags, err := strconv.ParseUint(string(fields[6]), 10, 32)
		if err != nil || flags&exiting == 0 {
			return false
		}
	}
	return true
}

// open returns a pidfd of the process, or unix.ESRCH when it is gone.
func (p process) open() (*os.File, error) {
	if p.Pid <= 0 {
		return nil, unix.ESRCH
	}
	fd, err := unix.PidfdOpen(p.Pid, 0)
	if err != nil {
		return nil, err
	}
	// Only now is it certain that the pid is not another's: it was still ours when the descriptor was there.
	if !p.alive() {
		_ = unix.Close(fd)
		return nil, unix.ESRCH
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}
