package spawn

import (
	"fmt"
	"os"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// target is a process in namespaces of its own, all but pid when it has time: the latter two together are seldom.
func target(t *testing.T, set uintptr) *started {
	t.Helper()
	return start(t, &Command{New: set, Privileged: true, UserRoot: set&unix.CLONE_NEWUSER != 0, Mapped: mapRoot(shift)})
}

func openNS(t *testing.T, pid int, kind specs.LinuxNamespaceType) *os.File {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, nsFiles[kind]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestJoin(t *testing.T) {
	needRoot(t)
	with := target(t, later|unix.CLONE_NEWUSER|unix.CLONE_NEWTIME)
	without := target(t, later|unix.CLONE_NEWTIME)
	for i := range flags {
		n := flags[i]
		t.Run(string(n.kind), func(t *testing.T) {
			of := without
			if n.flag == unix.CLONE_NEWUSER {
				of = with
			}
			c := &Command{Privileged: true, UserRoot: n.flag == unix.CLONE_NEWUSER}
			c.Joins = []Join{{n.kind, openNS(t, of.Process.Pid, n.kind)}}
			s := start(t, c)
			if s.Namespaces[n.kind] != of.Namespaces[n.kind] {
				t.Errorf("%s, want %s", s.Namespaces[n.kind], of.Namespaces[n.kind])
			}
			checkNamespaces(t, s, n.flag)
			checkChild(t, s)
		})
	}
	t.Run("all", func(t *testing.T) {
		c := &Command{Privileged: true, UserRoot: true}
		for i := range flags {
			c.Joins = append(c.Joins, Join{flags[i].kind, openNS(t, with.Process.Pid, flags[i].kind)})
		}
		s := start(t, c)
		for kind, ns := range with.Namespaces {
			if s.Namespaces[kind] != ns {
				t.Errorf("%s, want %s", s.Namespaces[kind], ns)
			}
		}
		if s.UID != 0 || s.UIDMap != "0 100000 65536" {
			t.Errorf("uid %d, map %q", s.UID, s.UIDMap)
		}
		checkChild(t, s)
	})
	t.Run("user, new others", func(t *testing.T) {
		c := &Command{Privileged: true, UserRoot: true, New: later}
		c.Joins = []Join{{specs.UserNamespace, openNS(t, with.Process.Pid, specs.UserNamespace)}}
		s := start(t, c)
		checkNamespaces(t, s, later|unix.CLONE_NEWUSER)
		if s.Namespaces[specs.UserNamespace] != with.Namespaces[specs.UserNamespace] || s.MqueueUID != 0 || s.facts.Pid != 1 {
			t.Errorf("%s, mqueue of %d, pid %d", s.Namespaces[specs.UserNamespace], s.MqueueUID, s.facts.Pid)
		}
		checkChild(t, s)
	})
	t.Run("network, new others and user", func(t *testing.T) {
		c := &Command{Privileged: true, UserRoot: true, New: later&^unix.CLONE_NEWNET | unix.CLONE_NEWUSER, Mapped: mapRoot(shift)}
		c.Joins = []Join{{specs.NetworkNamespace, openNS(t, without.Process.Pid, specs.NetworkNamespace)}}
		s := start(t, c)
		checkNamespaces(t, s, later|unix.CLONE_NEWUSER)
		if s.UID != 0 || s.facts.Pid != 1 || s.MqueueUID != 0 {
			t.Errorf("uid %d, pid %d, mqueue of %d", s.UID, s.facts.Pid, s.MqueueUID)
		}
		checkChild(t, s)
	})
	t.Run("own user namespace", func(t *testing.T) {
		c := &Command{Privileged: true, Joins: []Join{{specs.UserNamespace, openNS(t, os.Getpid(), specs.UserNamespace)}}}
		checkChild(t, start(t, c))
	})
}

func TestJoinPid(t *testing.T) {
	needRoot(t)
	all := uintptr(later | unix.CLONE_NEWUSER | unix.CLONE_NEWTIME)
	for _, set := range []uintptr{later, later | unix.CLONE_NEWUSER, all} {
		t.Run(flagNames(set), func(t *testing.T) {
			of := target(t, set)
			s := start(t, &Command{
				Privileged: true, JoinPid: of.Pidfd, JoinFlags: set, UserRoot: set&unix.CLONE_NEWUSER != 0,
			})
			for kind, ns := range of.Namespaces {
				if s.Namespaces[kind] != ns {
					t.Errorf("%s, want %s", s.Namespaces[kind], ns)
				}
			}
			if s.facts.Pid == 1 {
				t.Error("pid inside is 1")
			}
			checkChild(t, s)
		})
	}
}
