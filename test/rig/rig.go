// Package rig runs scripts (testscript) against the built binary and real containers.
package rig

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// Binaries are what the scripts drive: directories on their PATH.
type Binaries struct {
	Dir     string // mydocker, payload, busybox, and the wrapper md
	Runtime string
}

// Build builds the runtime and the payload once, into dir. RUNTIME and PAYLOAD in the environment take their places:
// the same scripts then judge another runtime, or run where there is no Go.
func Build(dir string) (*Binaries, error) {
	// Modes of files are compared, and users of containers have to reach the root filesystems.
	unix.Umask(0o022)
	b := &Binaries{Dir: dir, Runtime: os.Getenv("RUNTIME")}
	if b.Runtime == "" {
		b.Runtime = filepath.Join(dir, "mydocker")
		root, err := moduleRoot()
		if err != nil {
			return nil, err
		}
		if err := command(root, "make", "-s", "mydocker", "OUT="+b.Runtime); err != nil {
			return nil, err
		}
	} else if err := os.Symlink(b.Runtime, filepath.Join(dir, "mydocker")); err != nil {
		return nil, err
	}
	payload := filepath.Join(dir, "payload")
	if given := os.Getenv("PAYLOAD"); given != "" {
		if err := os.Symlink(given, payload); err != nil {
			return nil, err
		}
	} else if err := buildPayload(payload); err != nil {
		return nil, err
	}
	return b, os.WriteFile(filepath.Join(dir, "md"), []byte(fmt.Sprintf(wrapper, int(callLimit().Seconds()), b.Runtime, os.Getenv("RUNTIME_FLAGS"))), 0o755)
}

// wrapper is md. Every call is bounded: a runtime that hangs fails its script and no more. What a container that is
// not waited for prints goes to the files log and errlog: it would hold the pipes of the script open.
const wrapper = `#!/bin/sh
md() { exec timeout -k 5 %d %s --root "$STATE" %s "$@"; }
case " $* " in
*" create "* | *" -d "* | *" --detach "*)
	log=${STATE%%/*}/log err=${STATE%%/*}/errlog
	rm -f "$log" "$err"
	(md "$@") >"$log" 2>"$err" </dev/null
	code=$?
	cat "$log"
	cat "$err" >&2
	exit $code
	;;
esac
md "$@"
`

// callLimit is how long one call of the runtime may take. SLOW multiplies it, for emulated machines.
func callLimit() time.Duration { return Scale(60 * time.Second) }

// Scale stretches a time by the factor in the environment variable SLOW.
func Scale(d time.Duration) time.Duration {
	factor := 1
	_, _ = fmt.Sscan(os.Getenv("SLOW"), &factor)
	return d * time.Duration(max(factor, 1))
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

func buildPayload(path string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	return command(root, "env", "CGO_ENABLED=0", "go", "build", "-buildvcs=false", "-trimpath", "-o", path, "./testdata/payload")
}

func command(dir string, args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// Run runs the scripts of a directory.
func Run(t *testing.T, b *Binaries, dir string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		ContinueOnError:     false,
		Setup:               func(env *testscript.Env) error { return setup(env, b) },
		Condition:           Condition,
		Cmds:                Commands(),
	})
}

// setup gives each script a state root and a prefix of IDs of its own.
func setup(env *testscript.Env, b *Binaries) error {
	state := filepath.Join(env.WorkDir, "state")
	id := make([]byte, 5)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	prefix := "t" + hex.EncodeToString(id)
	env.Setenv("PATH", b.Dir+":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	env.Setenv("STATE", state)
	env.Setenv("ID", prefix)
	env.Setenv("BIN", b.Dir)
	env.Setenv("RUNTIME", b.Runtime)
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("XDG_RUNTIME_DIR", os.Getenv("XDG_RUNTIME_DIR"))
	env.Setenv("DBUS_SESSION_BUS_ADDRESS", os.Getenv("DBUS_SESSION_BUS_ADDRESS"))
	// A container's user must be able to reach the root filesystem.
	for dir := env.WorkDir; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
	}
	env.Defer(func() { cleanUp(env, b, state, prefix) })
	return nil
}

// cleanUp removes the script's containers and then fails the script if anything is left.
func cleanUp(env *testscript.Env, b *Binaries, state, prefix string) {
	entries, _ := os.ReadDir(state)
	for _, e := range entries {
		args := append([]string{"-k", "5", "60", b.Runtime, "--root", state}, strings.Fields(os.Getenv("RUNTIME_FLAGS"))...)
		out, err := exec.Command("timeout", append(args, "delete", "--force", e.Name())...).CombinedOutput()
		if err != nil {
			env.T().Log("clean up ", e.Name(), ": ", err, "\n", string(out))
		}
	}
	if left := Leftovers(prefix, env.WorkDir); len(left) > 0 {
		env.T().Log("left over:\n", strings.Join(left, "\n"))
		RemoveLeftovers(prefix, env.WorkDir)
		env.T().FailNow()
	}
}
