// bench measures mydocker beside crun and runc: CPU time (user and system of the whole process tree) and wall time
// of what engines do, interleaved in one run, as ratios. A peer that is not installed is left out.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"mydocker/internal/generate"
)

// runtime is one that is measured.
type runtime struct{ name, path, state string }

// sample is what one round of a case has cost.
type sample struct{ cpu, wall time.Duration }

// scenario is what is measured.
type scenario struct {
	name string
	do   func(b *bench, r *runtime, round int) error
}

type bench struct {
	bundle, sleeper string // bundles of /bin/true, and of a program that sleeps
}

func main() {
	mydocker := flag.String("mydocker", "./mydocker", "the binary to measure")
	crun := flag.String("crun", "crun", "crun's binary")
	runc := flag.String("runc", "runc", "runc's binary")
	rounds := flag.Int("rounds", 40, "rounds of each case")
	short := flag.Bool("short", false, "a few rounds, to see that it works")
	flag.Parse()
	if *short {
		*rounds = 3
	}
	if err := run([]string{*mydocker, *crun, *runc}, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(paths []string, rounds int) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// crun 1.8 refuses a hybrid cgroup layout: `make bench` runs this in a mount namespace of its own.
	_ = unix.Unmount("/sys/fs/cgroup/unified", unix.MNT_DETACH)
	// What outlives its runtime is counted, too.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	var runtimes []*runtime
	for i, name := range []string{"mydocker", "crun", "runc"} {
		path, err := exec.LookPath(paths[i])
		if err != nil {
			fmt.Printf("%s is not here, and is left out: %v\n", name, err)
			continue
		}
		runtimes = append(runtimes, &runtime{name, path, filepath.Join(dir, name)})
	}
	b := &bench{}
	if b.bundle, err = makeBundle(filepath.Join(dir, "true"), "/bin/busybox", "true"); err != nil {
		return err
	}
	if b.sleeper, err = makeBundle(filepath.Join(dir, "sleep"), "/bin/busybox", "sleep", "1000"); err != nil {
		return err
	}
	return b.table(runtimes, rounds)
}

var scenarios = []scenario{
	{"run /bin/true", func(b *bench, r *runtime, n int) error { return r.call("run", "--bundle", b.bundle, id(n)) }},
	{"create + start + delete", func(b *bench, r *runtime, n int) error {
		return errors.Join(r.call("create", "--bundle", b.sleeper, id(n)), r.call("start", id(n)), r.call("delete", "--force", id(n)))
	}},
	{"exec /bin/true", func(_ *bench, r *runtime, _ int) error { return r.call("exec", keeper, "/bin/busybox", "true") }},
	{"state", func(_ *bench, r *runtime, _ int) error { return r.call("state", keeper) }},
}

// keeper is the container that exec and state are measured with.
const keeper = "bench-keeper"

func id(n int) string { return fmt.Sprintf("bench-%d-%d", os.Getpid(), n) }

// table measures and prints. The runtimes take turns, so that what else the machine does meets all of them.
func (b *bench) table(runtimes []*runtime, rounds int) error {
	fmt.Printf("| case |")
	for _, r := range runtimes {
		fmt.Printf(" %s CPU, wall (ms) |", r.name)
	}
	for _, r := range runtimes[1:] {
		fmt.Printf(" CPU of %s | wall of %s |", r.name, r.name)
	}
	fmt.Println()
	for _, s := range scenarios {
		samples := make([][]sample, len(runtimes))
		for _, r := range runtimes {
			if err := r.call("run", "--detach", "--bundle", b.sleeper, keeper); err != nil {
				return err
			}
		}
		for n := range rounds {
			for i, r := range runtimes {
				one, err := measure(func() error { return s.do(b, r, n) })
				if err != nil {
					return fmt.Errorf("%s: %s: %w", r.name, s.name, err)
				}
				samples[i] = append(samples[i], one)
			}
		}
		for _, r := range runtimes {
			_ = r.call("delete", "--force", keeper)
		}
		printRow(s.name, samples)
	}
	return nil
}

func printRow(name string, samples [][]sample) {
	fmt.Printf("| %s |", name)
	cpu, wall := make([]time.Duration, len(samples)), make([]time.Duration, len(samples))
	for i, list := range samples {
		cpu[i] = median(list, func(s sample) time.Duration { return s.cpu })
		wall[i] = median(list, func(s sample) time.Duration { return s.wall })
		fmt.Printf(" %.1f, %.1f |", ms(cpu[i]), ms(wall[i]))
	}
	for i := range samples[1:] {
		fmt.Printf(" %.2f | %.2f |", ms(cpu[0])/ms(cpu[i+1]), ms(wall[0])/ms(wall[i+1]))
	}
	fmt.Println()
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func median(list []sample, of func(sample) time.Duration) time.Duration {
	values := make([]time.Duration, len(list))
	for i, s := range list {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// measure runs f and counts what its processes, all of them, have used when they have ended.
func measure(f func() error) (sample, error) {
	before, begin := used(), time.Now()
	err := f()
	wall := time.Since(begin)
	// Those that were left to this process, as subreaper.
	for {
		pid, e := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if e == unix.EINTR {
			continue
		}
		if e != nil || pid <= 0 {
			break
		}
	}
	return sample{cpu: used() - before, wall: wall}, err
}

func used() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_CHILDREN, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (r *runtime) call(args ...string) error {
	cmd := exec.Command(r.path, append([]string{"--root", r.state}, args...)...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%v: %w", args, err)
	}
	return nil
}

// makeBundle makes a bundle with busybox in it, of the default configuration.
func makeBundle(dir string, args ...string) (string, error) {
	bin := filepath.Join(dir, "rootfs/bin")
	for _, d := range []string{"bin", "dev", "proc", "sys"} {
		if err := os.MkdirAll(filepath.Join(dir, "rootfs", d), 0o755); err != nil {
			return "", err
		}
	}
	b, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return "", fmt.Errorf("busybox-static is needed: %w", err)
	}
	if err := os.WriteFile(filepath.Join(bin, "busybox"), b, 0o755); err != nil {
		return "", err
	}
	spec := generate.Example()
	// What the oldest of the peers takes.
	spec.Version = "1.0.2"
	spec.Process.Terminal = false
	spec.Process.Args = args
	config, err := json.Marshal(spec)
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644)
}
