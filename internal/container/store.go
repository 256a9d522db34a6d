// Package container is one container on disk and what is done to it: create, start, exec, kill, delete, status.
package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/notify"
	"mydocker/internal/progress"
	"mydocker/internal/rawfile"
	"mydocker/internal/sealed"
	"mydocker/internal/spawn"
	"mydocker/internal/trace"
)

// Errors whose texts engines match.
var (
	ErrNotExist   = errors.New("container does not exist")
	ErrExist      = errors.New("container with given ID already exists")
	ErrNotRunning = errors.New("container not running")
	ErrNotPaused  = errors.New("container not paused")
	ErrPaused     = errors.New("cannot exec in a paused container (use --ignore-paused to override)")
	errInvalidID  = errors.New("invalid container ID format")
)

// RootlessMode is what --rootless says: whether to go on where the caller may not use cgroups.
type RootlessMode int

// Auto goes on when the caller is not root of the initial user namespace.
const (
	Auto RootlessMode = iota
	True
	False
)

// Store is a state root: a directory with one directory for each container.
type Store struct {
	Root     string // absolute
	Systemd  bool   // --systemd-cgroup
	Rootless RootlessMode
	Debug    bool // init logs too
	Trace    *trace.Log
}

// Container is a handle of one container. Its directory stays open, so that a directory of the same name that
// another command has made meanwhile is not taken for it.
type Container struct {
	store *Store
	root  int // the open directory of the store, for who looks at all; 0 without
	dir   *os.File
	rec   record
	file  atomic.Int32                            // the state file that rec is, open; see keepFile
	spec  *specs.Spec                             // see Spec
	child *spawn.Process                          // init, in the command that has created it
	self  *sealed.Copy                            // what a process that is being made is, until it is the program
	oom   func() (kills, limit uint64, err error) // see followOOM
	relay *notify.Relay                           // of the command that starts it, where a service manager is to be told
}

// ID is the container's name.
func (c *Container) ID() string { return c.rec.ID }

// Names in a container's directory.
const (
	stateFile  = "state.json"
	configFile = "config.json"
	execFIFO   = "exec.fifo"
	reportFIFO = "report.fifo"
	waitsFile  = "waits.json"
	endFile    = "end.json"
	notifyDir  = "notify"
)

func (c *Container) path(name string) string { return filepath.Join(c.store.Root, c.rec.ID, name) }

// at is a name in its directory, relative to the directory that is open.
func (c *Container) at(name string) (dir int, path string) {
	if c.root > 0 {
		return c.root, c.rec.ID + "/" + name
	}
	return unix.AT_FDCWD, c.path(name)
}

// CheckID tells whether id can name a container: [A-Za-z0-9_+.-], and neither "." nor "..".
func CheckID(id string) error {
	bad := id == "" || id == "." || id == ".." || len(id) > 1024
	for i := 0; i < len(id) && !bad; i++ {
		c := id[i]
		bad = (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') &&
			c != '_' && c != '+' && c != '-' && c != '.'
	}
	if bad {
		return fault.Hint(fault.New(fault.ID, "", errInvalidID),
			`an ID is made of letters, digits and "_+-.", and is not "." or ".."`)
	}
	return nil
}

// reserve makes the container's directory and locks it. The name is taken from then on.
func (s *Store) reserve(id string) (*Container, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	c := &Container{store: s, rec: record{ID: id}}
	err := os.MkdirAll(s.Root, 0o711)
	if err == nil {
		err = os.Mkdir(c.path(""), 0o700)
	}
	switch {
	case errors.Is(err, os.ErrPermission):
		hint := "who is not root keeps containers in $XDG_RUNTIME_DIR, or where --root says"
		if os.Getenv("XDG_RUNTIME_DIR") == "" {
			hint += ": the variable is not set here"
		}
		return nil, fault.Hint(fault.New(fault.StateDirectory, "", err), hint)
	case errors.Is(err, os.ErrExist):
		return nil, fault.New(fault.Exists, "", ErrExist)
	case err != nil:
		return nil, fault.New(fault.StateDirectory, "", err)
	}
	if err := c.open(); err != nil {
		return nil, err
	}
	// A delete -f may have come between mkdir and the lock, and have won.
	if err := c.lock(time.Second); err != nil || !c.linked() {
		_ = c.dir.Close()
		return nil, fault.New(fault.State, "", errors.New("container was deleted while it was created"))
	}
	return c, nil
}

// Load finds a container by its ID.
func (s *Store) Load(id string) (*Container, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	c := &Container{store: s, rec: record{ID: id}}
	if err := c.open(); err != nil {
		return nil, err
	}
	if err := c.read(); err != nil {
		_ = c.dir.Close()
		return nil, err
	}
	return c, nil
}

func (c *Container) open() error {
	if !ProcIsOurs() {
		return fault.Hint(fault.New(fault.System, "", errForeignProc),
			"mount one, as `unshare --mount-proc` does: by the numbers in another one, other processes would be taken for the container's")
	}
	dir, err := rawfile.Open(c.path(""), unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, os.ErrNotExist) {
		return notFound()
	}
	if err != nil {
		return fault.New(fault.StateDirectory, "", err)
	}
	c.dir = dir
	return nil
}

var errForeignProc = errors.New("no /proc of this pid namespace is mounted")

func notFound() error {
	return fault.Hint(fault.New(fault.NotFound, "", ErrNotExist), "`list` shows the containers of this --root")
}

// Close gives up the handle. The container stays.
func (c *Container) Close() error {
	if c.relay != nil {
		c.relay.Close()
	}
	c.self.Close()
	c.keepFile(0)
	return c.dir.Close()
}

// lock makes other commands that change the container wait. It is a lock on the open directory: it ends with the
// process, however that ends.
func (c *Container) lock(wait time.Duration) error {
	fd := int(c.dir.Fd())
	deadline := time.Now().Add(wait)
	said := func() {}
	defer func() { said() }()
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case err != unix.EWOULDBLOCK && err != unix.EINTR:
			return fault.New(fault.StateDirectory, "", fmt.Errorf("lock container %s: %w", c.rec.ID, err))
		case time.Now().After(deadline):
			return fault.New(fault.Timeout, "", fmt.Errorf("container %s is in use by %s", c.rec.ID, c.holder()))
		case pause == time.Millisecond:
			said = progress.Start(func() string { return "container " + c.rec.ID + " is in use by " + c.holder() })
		}
		time.Sleep(pause)
	}
}

func (c *Container) unlock() { _ = unix.Flock(int(c.dir.Fd()), unix.LOCK_UN) }

// linked tells whether the open directory is still the one of its name.
func (c *Container) linked() bool {
	var byName, byFd unix.Stat_t
	return unix.Stat(c.path(""), &byName) == nil && unix.Fstat(int(c.dir.Fd()), &byFd) == nil &&
		byName.Ino == byFd.Ino && byName.Dev == byFd.Dev
}

// lockWait is how long a command waits for another one on the same container.
const lockWait = 30 * time.Second

// locked runs f while no other command changes the container, on what the state file says then.
func (c *Container) locked(f func() error) error {
	if err := c.lock(lockWait); err != nil {
		return err
	}
	defer c.unlock()
	if !c.current() {
		if !c.linked() {
			return fault.New(fault.NotFound, "", ErrNotExist)
		}
		if err := c.read(); err != nil {
			return err
		}
	}
	return f()
}

// List returns the state of each container. One that cannot be read is shown as far as it can.
func (s *Store) List() ([]*State, error) {
	entries, err := os.ReadDir(s.Root)
	if err != nil {
		return nil, fault.New(fault.StateDirectory, "", err)
	}
	root, err := rawfile.Open(s.Root, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fault.New(fault.StateDirectory, "", err)
	}
	defer root.Close()
	all := make([]*State, 0, len(entries))
	room := make([]byte, 0, stateRoom)
	c := &Container{store: s, root: int(root.Fd())}
	for _, e := range entries {
		if !e.IsDir() || CheckID(e.Name()) != nil {
			continue
		}
		// Nothing is done with it: its directory need not be open.
		c.rec = record{ID: e.Name()}
		err := c.readBy(room)
		c.keepFile(0)
		if errors.Is(err, ErrNotExist) {
			continue
		}
		if errors.Is(err, os.ErrPermission) {
			logrus.Warn(err)
			all = append(all, &State{ID: e.Name(), Status: "unknown"})
			continue
		}
		if err != nil {
			all = append(all, &State{ID: e.Name(), Status: Stopped})
			continue
		}
		state, err := c.State()
		if err != nil {
			logrus.Warnf("state of container %s: %v", e.Name(), err)
			state = &State{Version: c.rec.Version, ID: e.Name(), Pid: c.rec.Init.Pid, Status: Running, Bundle: c.rec.Bundle, Rootfs: c.rec.Rootfs, Created: c.rec.Created}
		}
		all = append(all, state)
	}
	return all, nil
}
