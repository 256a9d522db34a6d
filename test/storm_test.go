package test

import (
	"math/rand"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"mydocker/test/rig"
)

// Containers that come and go, eight at a time, leave nothing.
func TestStormLives(t *testing.T) {
	needRoot(t)
	s := newSite(t, "payload", "sleep")
	parallel(count(16, 500), 8, func(i int) {
		id := s.id(i)
		s.must("create", "--bundle", s.bundle, id)
		s.must("start", id)
		s.must("kill", id, "KILL")
		s.must("delete", id)
	})
}

// A create that is killed at any moment leaves nothing that delete --force does not clear.
func TestStormKilledCreates(t *testing.T) {
	needRoot(t)
	s := newSite(t, "payload", "sleep")
	random := rand.New(rand.NewSource(time.Now().UnixNano()))
	var mu sync.Mutex
	parallel(count(12, 200), 4, func(i int) {
		mu.Lock()
		wait := time.Duration(random.Int63n(int64(60 * time.Millisecond)))
		mu.Unlock()
		id := s.id(i)
		cmd := exec.Command(binaries.Runtime, "--root", s.state, "create", "--bundle", s.bundle, id)
		if err := cmd.Start(); err != nil {
			t.Error(err)
			return
		}
		time.Sleep(wait)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		s.must("delete", "--force", id)
	})
}

// Many processes one after the other in one container: none fails, none stays.
func TestStormExecs(t *testing.T) {
	needRoot(t)
	s := newSite(t, "payload", "sleep")
	id := s.id(0)
	s.must("run", "--detach", "--bundle", s.bundle, id)
	for range count(20, 1000) {
		s.must("exec", id, "payload", "true")
	}
	out, err := s.run("ps", "--format", "json", id)
	if err != nil || strings.Count(out, ",") != 0 {
		t.Errorf("processes %s, %v, want one", out, err)
	}
}

// Commands of all kinds on a few containers at once end in a state from which each container can be deleted.
func TestStormCommands(t *testing.T) {
	needRoot(t)
	s := newSite(t, "payload", "sleep")
	seed := time.Now().UnixNano()
	t.Log("seed", seed)
	end := time.Now().Add(time.Duration(count(4, 60)) * time.Second)
	// What another command has paused hangs in there: it is let go on, at the end too.
	stop := make(chan struct{})
	thawed := make(chan struct{})
	go func() {
		defer close(thawed)
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
				for _, id := range s.list() {
					_, _ = s.run("resume", id)
				}
			}
		}
	}()
	parallel(8, 8, func(i int) {
		random := rand.New(rand.NewSource(seed + int64(i)))
		for time.Now().Before(end) {
			id := s.id(random.Intn(count(6, 20)))
			switch random.Intn(12) {
			case 0, 1:
				_, _ = s.run("create", "--bundle", s.bundle, id)
			case 2:
				_, _ = s.run("run", "--detach", "--bundle", s.bundle, id)
			case 3, 4:
				_, _ = s.run("start", id)
			case 5:
				_, _ = s.run("exec", id, "payload", "true")
			case 6:
				_, _ = s.run("pause", id)
			case 7:
				_, _ = s.run("state", id)
			case 8:
				_, _ = s.run("kill", id, "KILL")
			case 9:
				_, _ = s.run("delete", id)
			case 10:
				_, _ = s.run("delete", "--force", id)
			case 11:
				if out, err := s.run("list"); err != nil {
					t.Errorf("list: %v\n%s", err, out)
				}
			}
		}
	})
	close(stop)
	<-thawed
}

// Two creates of one ID: one wins, and the other does it no harm.
func TestStormOneID(t *testing.T) {
	needRoot(t)
	s := newSite(t, "payload", "sleep")
	for range count(4, 50) {
		var mu sync.Mutex
		made := 0
		parallel(4, 4, func(int) {
			if _, err := s.run("create", "--bundle", s.bundle, s.id(0)); err == nil {
				mu.Lock()
				made++
				mu.Unlock()
			}
		})
		if made != 1 {
			t.Errorf("%d creates of one ID have succeeded", made)
		}
		s.must("start", s.id(0))
		s.must("kill", s.id(0), "KILL")
		s.must("delete", s.id(0))
	}
}

// A run whose caller goes away at once, and a container that ends at once: no exit is lost, nothing hangs.
func TestStormShortRuns(t *testing.T) {
	needRoot(t)
	s := newSite(t, "payload", "exit", "7")
	parallel(count(16, 300), 4, func(i int) {
		err := s.command("run", "--bundle", s.bundle, s.id(i)).Run()
		exit, ok := err.(*exec.ExitError)
		if !ok || exit.ExitCode() != 7 {
			t.Errorf("run: %v, want exit status 7", err)
		}
	})
}

// A container whose init is killed while it waits is stopped, and start says so instead of waiting.
func TestStartOfDeadInit(t *testing.T) {
	needRoot(t)
	s := newSite(t, "payload", "sleep")
	s.must("create", "--bundle", s.bundle, "--pid-file", s.bundle+"/pid", s.id(0))
	s.must("kill", s.id(0), "KILL")
	begin := time.Now()
	if _, err := s.run("start", s.id(0)); err == nil {
		t.Error("start of a dead init succeeded")
	}
	if took := time.Since(begin); took > rig.Scale(20*time.Second) {
		t.Errorf("start of a dead init took %s", took)
	}
}
