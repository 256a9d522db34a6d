package container

import (
	"fmt"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"mydocker/internal/jsondoc"
	"mydocker/internal/rawfile"
)

// Detail is State with what mydocker knows beyond it.
type Detail struct {
	State
	Phase string `json:"phase"` // the status in more words
	*End         // of a container that has stopped, where it is known
}

// Detail returns the container's state as it is now, what it waits for, and how it has ended.
func (c *Container) Detail() (*Detail, error) {
	state, err := c.State()
	if err != nil {
		return nil, err
	}
	d := &Detail{State: *state, Phase: state.Status}
	switch state.Status {
	case Creating, Running:
		if kind := c.hooksThatRun(); kind != "" {
			d.Phase += ": waiting for hooks: " + kind
		}
	case Created:
		if !c.rec.Ready.IsZero() {
			d.Phase += ": waiting for start since " + c.rec.Ready.Format(time.RFC3339)
		}
	case Stopped:
		if c.rec.Init.Pid == 0 {
			d.Phase += ": the create was killed"
			break
		}
		if d.End = c.end(); d.End != nil {
			if words := d.End.String(); words != "" {
				d.Phase += ": " + words
			}
		}
	}
	return d, nil
}

// waits is the file that says which hooks a command waits for. It counts for as long as that command is there.
type waits struct {
	By    process `json:"by"`
	Hooks string  `json:"hooks"` // "createRuntime"
}

// announce says that this command waits for hooks, until the function that it returns is called. Containers without
// hooks do without the file.
func (c *Container) announce(kind string, list []specs.Hook) (done func()) {
	if len(list) == 0 {
		return func() {}
	}
	return c.announceHooks(kind)
}

func (c *Container) announceHooks(kind string) (done func()) {
	self, err := identify(os.Getpid())
	if err == nil {
		err = c.writeFile(waitsFile, jsondoc.Encode(&waits{By: self, Hooks: kind}))
	}
	if err != nil {
		logrus.Warn(fmt.Errorf("note that hooks are waited for: %w", err))
	}
	return func() { _ = os.Remove(c.path(waitsFile)) }
}

// hooksThatRun is the kind of hooks that a command waits for at this moment, "" if none does.
func (c *Container) hooksThatRun() string {
	b, err := rawfile.Read(c.path(waitsFile))
	if err != nil {
		return ""
	}
	var w waits
	if jsondoc.Decode(b, &w) != nil || !w.By.alive() {
		return ""
	}
	return w.Hooks
}
