// Package hostile attacks runtimes: each published vulnerability of container runtimes is an attack, carried out on
// mydocker, which has to withstand, and on others, which show that the attack is a real one.
package hostile

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"mydocker/test/rig"
)

var (
	runtimes = flag.String("runtimes", "", "whom to attack, with commas between, each a name, or name=path; none: no attacks")
	only     = flag.String("only", "", "a pattern of the attacks to carry out")
	full     = flag.Bool("full", false, "with races")
	seed     = flag.Int64("seed", 1, "what races and faults draw from")
)

var binaries *rig.Binaries

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	flag.Parse()
	if dir := os.Getenv("HOSTILE_BIN"); dir != "" { // a part that has a mount namespace of its own
		binaries = &rig.Binaries{Dir: dir, Runtime: os.Getenv("HOSTILE_RUNTIME")}
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "mydocker-hostile")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		binaries, err = rig.Build(dir)
	}
	if err == nil {
		err = buildAttacker(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func buildAttacker(dir string) error {
	cmd := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-o", filepath.Join(dir, "attacker"), "./attacker")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build attacker: %w\n%s", err, out)
	}
	return nil
}

// result is how an attack on one runtime has ended.
type result struct{ Name, Verdict string }

// TestHostile attacks each runtime in a mount namespace of its own, where one that breaks does no harm, and prints the
// table.
func TestHostile(t *testing.T) {
	if os.Geteuid() != 0 || *runtimes == "" {
		t.Skip("needs root, and -runtimes")
	}
	var columns []string
	var mu sync.Mutex
	all := make(map[string]map[string]string)
	// Side by side: each has a mount namespace, a state root and ids of its own.
	t.Run("runtimes", func(t *testing.T) {
		for name := range strings.SplitSeq(*runtimes, ",") {
			name, path, given := strings.Cut(name, "=")
			if name == "mydocker" {
				path = binaries.Runtime
			} else {
				if !given {
					path = name
				}
				var err error
				if path, err = exec.LookPath(path); err != nil {
					fmt.Printf("%s is not installed\n", name)
					continue
				}
			}
			columns = append(columns, name)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				verdicts := attackAll(t, name, path, *only, *full)
				mu.Lock()
				defer mu.Unlock()
				all[name] = verdicts
			})
		}
	})
	printTable(t, columns, all)
}

// attackAll runs this program again for one runtime, with the attacks whose names match.
func attackAll(t *testing.T, name, path, pattern string, races bool) map[string]string {
	dir := filepath.Join(t.TempDir(), "bin")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// A runtime may lose its own file to an attack: it is a copy.
	copied := filepath.Join(dir, name)
	copyFile(t, path, copied)
	results := filepath.Join(dir, "results")
	args := []string{"-test.run", "^TestAttacks$", "-test.v=" + fmt.Sprint(testing.Verbose()), "-test.timeout", "20m", "-only", pattern, "-seed", fmt.Sprint(*seed)}
	if races {
		args = append(args, "-full")
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "HOSTILE_BIN="+binaries.Dir, "HOSTILE_RUNTIME="+copied, "HOSTILE_ORIGINAL="+path, "HOSTILE_RESULTS="+results)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	} else if testing.Verbose() {
		t.Logf("%s", out)
	}
	b, err := os.ReadFile(results)
	if err != nil {
		t.Fatal(err)
	}
	var list []result
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	verdicts := make(map[string]string, len(list))
	for _, r := range list {
		verdicts[r.Name] = r.Verdict
	}
	return verdicts
}

// printTable prints who has withstood what.
func printTable(t *testing.T, names []string, all map[string]map[string]string) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CVE\tattack\t"+strings.Join(names, "\t"))
	for _, a := range attacks {
		if a.pretended {
			continue
		}
		row := make([]string, 0, len(names))
		for _, name := range names {
			row = append(row, short(all[name][a.name]))
		}
		for i, cve := range a.cves {
			if i == 0 {
				fmt.Fprintln(w, cve+"\t"+a.what+"\t"+strings.Join(row, "\t"))
				continue
			}
			fmt.Fprintln(w, cve+"\t  (the same)"+strings.Repeat("\t", len(names)))
		}
	}
	_ = w.Flush()
	// Not in the test's log: the table is to be seen without -v.
	fmt.Println(text.String())
	if path := os.Getenv("HOSTILE_TABLE"); path != "" {
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// short is the first word or so of a verdict.
func short(verdict string) string {
	first, _, _ := strings.Cut(verdict, ":")
	return first
}

// TestAttacks is the part of TestHostile that has a mount namespace of its own.
func TestAttacks(t *testing.T) {
	path := os.Getenv("HOSTILE_RESULTS")
	if path == "" {
		t.Skip("part of TestHostile")
	}
	if filepath.Base(binaries.Runtime) == "crun" {
		// Old ones refuse a hybrid layout.
		if err := unix.Unmount("/sys/fs/cgroup/unified", unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			t.Fatal(err)
		}
	}
	var list []result
	pattern := regexp.MustCompile(*only)
	for _, a := range attacks {
		if !pattern.MatchString(a.name) || a.race && !*full || a.pretended && filepath.Base(binaries.Runtime) != weakened {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			list = append(list, result{a.name, a.carryOut(t)})
		})
	}
	b, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
