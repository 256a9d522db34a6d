package test

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mydocker/test/rig"
)

var binaries *rig.Binaries

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mydocker-bin")
	if err == nil {
		defer os.RemoveAll(dir)
		binaries, err = rig.Build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// needRoot skips a test that makes cgroups.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// count is how many rounds a storm has: a few, or all with STORM=full.
func count(few, full int) int {
	if os.Getenv("STORM") == "full" {
		return full
	}
	return few
}

// site is where a test keeps its bundle and its containers.
type site struct {
	t             *testing.T
	state, bundle string
	prefix        string
}

// newSite makes a bundle, and checks at the end of the test that nothing is left.
func newSite(t *testing.T, args ...string) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{t: t, state: filepath.Join(dir, "state"), bundle: filepath.Join(dir, "bundle"), prefix: fmt.Sprintf("s%08x", rand.Uint32())}
	if err := os.Mkdir(s.state, 0o711); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(s.bundle, "rootfs/bin")
	for _, d := range []string{"bin", "dev", "proc", "sys", "tmp"} {
		if err := os.MkdirAll(filepath.Join(s.bundle, "rootfs", d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("cp", filepath.Join(binaries.Dir, "payload"), bin).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	config := rig.DefaultConfig()
	config["process"].(map[string]any)["args"] = args
	s.configure(config)
	t.Cleanup(s.check)
	return s
}

// configure writes the bundle's configuration.
func (s *site) configure(config map[string]any) {
	s.t.Helper()
	b, err := json.Marshal(config)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.bundle, "config.json"), b, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) check() {
	for _, id := range s.list() {
		if out, err := s.run("delete", "--force", id); err != nil {
			s.t.Errorf("delete --force %s: %v\n%s", id, err, out)
		}
	}
	if left := rig.Leftovers(s.prefix, s.state); len(left) > 0 {
		s.t.Errorf("left over:\n%s", strings.Join(left, "\n"))
	}
	if entries, err := os.ReadDir(s.state); err == nil && len(entries) > 0 {
		s.t.Errorf("%d directories are left in the state root, among them %s", len(entries), entries[0].Name())
	}
}

func (s *site) list() []string {
	out, err := s.run("list", "--quiet")
	if err != nil {
		return nil
	}
	return strings.Fields(out)
}

// id is the n-th container of the test.
func (s *site) id(n int) string { return fmt.Sprintf("%s-%d", s.prefix, n) }

// command is a call of the runtime that is bounded in time.
func (s *site) command(args ...string) *exec.Cmd {
	limit := fmt.Sprint(int(rig.Scale(60 * time.Second).Seconds()))
	return exec.Command("timeout", append([]string{"-k", "5", limit, binaries.Runtime, "--root", s.state}, args...)...)
}

// run calls the runtime with files as its standard streams, which containers may keep.
func (s *site) run(args ...string) (string, error) {
	f, err := os.CreateTemp(s.t.TempDir(), "out")
	if err != nil {
		return "", err
	}
	defer f.Close()
	cmd := s.command(args...)
	cmd.Stdout, cmd.Stderr = f, f
	err = cmd.Run()
	b, _ := os.ReadFile(f.Name())
	return string(b), err
}

func (s *site) must(args ...string) {
	if out, err := s.run(args...); err != nil {
		s.t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// parallel runs f for 0 to n-1, some at a time.
func parallel(n, atATime int, f func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atATime)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			f(i)
			<-slots
		})
	}
	wg.Wait()
}
