package test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/console"
	runc "github.com/containerd/go-runc"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/test/rig"
)

// The client library that containerd's shim uses drives a whole life.
func TestClient(t *testing.T) {
	needRoot(t)
	s := newSite(t, "payload", "sleep")
	ctx, cancel := context.WithTimeout(context.Background(), rig.Scale(2*time.Minute))
	defer cancel()
	log := filepath.Join(t.TempDir(), "log.json")
	client := &runc.Runc{Command: binaries.Runtime, Root: s.state, Log: log, LogFormat: runc.JSON}
	id := s.id(0)
	null, err := runc.NewNullIO()
	if err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(t.TempDir(), "pid")
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			b, _ := os.ReadFile(log)
			t.Fatalf("%s: %v\n%s", what, err, b)
		}
	}
	status := func(want string) {
		t.Helper()
		c, err := client.State(ctx, id)
		check("state", err)
		if c.Status != want || c.ID != id || c.Bundle != s.bundle {
			t.Errorf("state %+v, want status %s", c, want)
		}
	}
	_, err = client.Version(ctx)
	check("version", err)
	check("create", client.Create(ctx, id, s.bundle, &runc.CreateOpts{IO: null, PidFile: pidFile}))
	status("created")
	check("start", client.Start(ctx, id))
	status("running")
	pid, err := runc.ReadPidFile(pidFile)
	check("pid file", err)
	pids, err := client.Ps(ctx, id)
	check("ps", err)
	if len(pids) != 1 || pids[0] != pid {
		t.Errorf("processes %v, want %d", pids, pid)
	}
	all, err := client.List(ctx)
	check("list", err)
	if len(all) != 1 || all[0].ID != id {
		t.Errorf("list %+v", all)
	}
	execProcess(ctx, t, client, id)
	check("pause", client.Pause(ctx, id))
	status("paused")
	check("resume", client.Resume(ctx, id))
	stats, err := client.Stats(ctx, id)
	for errors.Is(err, os.ErrClosed) && ctx.Err() == nil {
		// The client waits for the command while it reads, and waiting closes the pipe: the output of a command that ends
		// quickly may be lost.
		stats, err = client.Stats(ctx, id)
	}
	check("stats", err)
	if stats.Pids.Current == 0 {
		t.Errorf("stats %+v", stats)
	}
	limit := int64(77)
	check("update", client.Update(ctx, id, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}))
	check("kill", client.Kill(ctx, id, int(unix.SIGKILL), &runc.KillOpts{All: true}))
	check("delete", client.Delete(ctx, id, nil))
	if _, err := client.State(ctx, id); err == nil {
		t.Error("state of a deleted container")
	}
	check("delete --force", client.Delete(ctx, id, &runc.DeleteOpts{Force: true}))
}

// execProcess runs one process with pipes and one with a terminal.
func execProcess(ctx context.Context, t *testing.T, client *runc.Runc, id string) {
	t.Helper()
	process := specs.Process{Args: []string{"payload", "echo", "from exec"}, Cwd: "/", Env: []string{"PATH=/bin"}}
	pipes, err := runc.NewPipeIO(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(&out, pipes.Stdout())
		close(done)
	}()
	if err := client.Exec(ctx, id, process, &runc.ExecOpts{IO: pipes}); err != nil {
		t.Error("exec: ", err)
	}
	_ = pipes.Close()
	<-done
	if out.String() != "from exec\n" {
		t.Errorf("exec printed %q", out.String())
	}
	socket, err := runc.NewTempConsoleSocket()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	masters := make(chan console.Console, 1)
	go func() {
		if c, err := socket.ReceiveMaster(); err == nil {
			masters <- c
		}
		close(masters)
	}()
	process.Terminal = true
	process.Args = []string{"payload", "tty"}
	if err := client.Exec(ctx, id, process, &runc.ExecOpts{ConsoleSocket: socket, Detach: true}); err != nil {
		t.Fatal("exec with a terminal: ", err)
	}
	master := <-masters
	if master == nil {
		t.Fatal("no terminal came")
	}
	b, _ := io.ReadAll(master)
	if !strings.Contains(string(b), "0 true") || !strings.Contains(string(b), "foreground true") {
		t.Errorf("terminal shows %q", b)
	}
}
