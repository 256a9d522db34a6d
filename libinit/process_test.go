package libinit

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

var updateProcessPlans = flag.Bool("update-process-plans", false, "write the golden files of the process's plans")

// fullSpec has every field that the process's part of a plan is made of.
func fullSpec() *specs.Spec {
	umask := uint32(0o077)
	timeout := 3
	return &specs.Spec{
		Hostname: "box", Domainname: "example.org",
		Process: &specs.Process{
			Terminal: true, ConsoleSize: &specs.Box{Height: 24, Width: 80},
			User:            specs.User{UID: 1, GID: 2, AdditionalGids: []uint32{3, 4}, Umask: &umask},
			Args:            []string{"top", "-b"},
			Env:             []string{"PATH=/bin", "A=1", "HOME=", "A=2"},
			Cwd:             "/srv",
			Capabilities:    &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL", "CAP_CHOWN"}, Permitted: []string{"CAP_KILL"}},
			Scheduler:       &specs.Scheduler{Policy: specs.SchedRR, Priority: 5, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}},
			IOPriority:      &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 3},
			SelinuxLabel:    "a:b:c",
			ApparmorProfile: "tight", NoNewPrivileges: true,
			ExecCPUAffinity: &specs.CPUAffinity{Initial: "0-3", Final: "1,4"},
		},
		Hooks: &specs.Hooks{
			CreateContainer: []specs.Hook{{Path: "/usr/bin/one", Timeout: &timeout}},
			StartContainer:  []specs.Hook{{Path: "/bin/two"}, {Path: "/bin/three"}},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.NetworkNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.PIDNamespace},
				{Type: specs.MountNamespace},
			},
			Sysctl:       map[string]string{"net.ipv4.ip_forward": "1", "net/ipv4/conf/eth0.1/rp_filter": "2", "kernel.shmmax": "3"},
			Personality:  &specs.LinuxPersonality{Domain: specs.PerLinux32},
			MemoryPolicy: &specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0-1", Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}},
		},
	}
}

// plainSpec has what every process needs, and nothing else.
func plainSpec() *specs.Spec {
	return &specs.Spec{
		Process: &specs.Process{Args: []string{"/bin/true"}, Cwd: "/", Env: []string{"HOME=/root"}},
		Linux:   &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}}},
	}
}

// processPlan is the process's part of the plan of a container.
func processPlan(spec *specs.Spec, opts *Options) (Plan, error) {
	return build(&planner{spec: spec, opts: opts},
		(*planner).askHooks, (*planner).createContainerHooks, (*planner).awaitLimits, (*planner).console, (*planner).names, (*planner).sysctls,
		(*planner).process)
}

// TestProcessPlans compares the process's part of plans with golden files.
func TestProcessPlans(t *testing.T) {
	opts := Options{Bundle: "/bundle", AppArmor: true, SELinux: true}
	sockets := opts
	sockets.ListenFDs, sockets.NotifySocket, sockets.NoNewKeyring = 2, "/run/notify", true
	exec := func(spec *specs.Spec, opts *Options) (Plan, error) { return NewExecPlan(spec, spec.Process, opts) }
	none := plainSpec()
	none.Process = nil
	for name, c := range map[string]struct {
		plan func(*specs.Spec, *Options) (Plan, error)
		spec *specs.Spec
		opts Options
	}{
		"plain": {processPlan, plainSpec(), opts},
		"full":  {processPlan, fullSpec(), sockets},
		"exec":  {exec, fullSpec(), opts},
		"none":  {processPlan, none, opts},
	} {
		plan, err := c.plan(c.spec, &c.opts)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if plan, err = Decode(plan.Encode()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var b strings.Builder
		for _, e := range plan {
			b.WriteString(e.Field + ": " + e.Step.String() + "\n")
			if x, ok := e.Step.(*Exec); ok {
				for _, v := range x.Env {
					b.WriteString("\t" + v + "\n")
				}
			}
		}
		file := filepath.Join("..", "testdata", "plan", "process-"+name+".txt")
		if *updateProcessPlans {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), b.String()); d != "" {
			t.Errorf("%s: %s", file, d)
		}
	}
}

// TestRefusals has a value that is wrong in each field, and the words that others match.
func TestRefusals(t *testing.T) {
	for field, list := range map[string][]struct {
		change func(*specs.Spec)
		text   string
	}{
		"process.args":        {{func(s *specs.Spec) { s.Process.Args = nil }, "args must not be empty"}},
		"process.commandLine": {{func(s *specs.Spec) { s.Process.CommandLine = "x" }, "commandLine is for Windows alone"}},
		"process.cwd":         {{func(s *specs.Spec) { s.Process.Cwd = "srv" }, "Cwd must be an absolute path"}},
		"process.env[1]": {
			{func(s *specs.Spec) { s.Process.Env[1] = "A" }, "invalid environment variable: missing '='"},
			{func(s *specs.Spec) { s.Process.Env[1] = "=1" }, "no name"},
			{func(s *specs.Spec) { s.Process.Env[1] = "A=\x00" }, "NUL"},
		},
		"process.consoleSize":        {{func(s *specs.Spec) { s.Process.ConsoleSize.Width = 1 << 16 }, "65535"}},
		"process.scheduler.policy":   {{func(s *specs.Spec) { s.Process.Scheduler.Policy = "SCHED_X" }, "invalid scheduler policy"}},
		"process.scheduler.flags[1]": {{func(s *specs.Spec) { s.Process.Scheduler.Flags = append(s.Process.Scheduler.Flags, "X") }, "invalid scheduler flag"}},
		"process.scheduler.nice":     {{func(s *specs.Spec) { s.Process.Scheduler.Nice = 20 }, "invalid scheduler.nice"}},
		"process.scheduler.priority": {
			{func(s *specs.Spec) { s.Process.Scheduler.Policy = specs.SchedOther }, "can only be specified for SchedFIFO or SchedRR"},
			{func(s *specs.Spec) { s.Process.Scheduler.Priority = 100 }, "invalid scheduler.priority"},
			{func(s *specs.Spec) { s.Process.Scheduler.Priority = 0 }, "invalid scheduler.priority"},
		},
		"process.scheduler": {
			{func(s *specs.Spec) { s.Process.Scheduler.Period = 1 }, "can only be specified for SchedDeadline"},
			{func(s *specs.Spec) {
				s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedDeadline, Runtime: 1, Deadline: 2, Period: 3}
				s.Linux.Resources = &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "0"}}
			}, "process scheduler can't be used together with AllowedCPUs"},
		},
		"process.ioPriority.class":    {{func(s *specs.Spec) { s.Process.IOPriority.Class = "X" }, "invalid ioPriority.class"}},
		"process.ioPriority.priority": {{func(s *specs.Spec) { s.Process.IOPriority.Priority = 8 }, "invalid ioPriority.priority"}},
		"linux.personality.domain":    {{func(s *specs.Spec) { s.Linux.Personality.Domain = "SUNOS" }, "invalid personality domain"}},
		"linux.personality.flags": {{func(s *specs.Spec) {
			s.Linux.Personality.Flags = []specs.LinuxPersonalityFlag{"X"}
		}, "personality flags"}},
		"linux.memoryPolicy.mode":  {{func(s *specs.Spec) { s.Linux.MemoryPolicy.Mode = "X" }, "invalid memory policy mode"}},
		"linux.memoryPolicy.flags": {{func(s *specs.Spec) { s.Linux.MemoryPolicy.Flags[0] = "X" }, "invalid memory policy flag"}},
		"linux.memoryPolicy.nodes": {
			{func(s *specs.Spec) { s.Linux.MemoryPolicy.Nodes = "a" }, "invalid memory policy node"},
			{func(s *specs.Spec) { s.Linux.MemoryPolicy.Nodes = "" }, "requires at least 1 node but got 0"},
			{func(s *specs.Spec) {
				s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolLocal, Nodes: "0-7"}
			}, "MPOL_LOCAL mode requires 0 nodes but got 8"},
		},
		"hostname": {
			{func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[:2] }, "unable to set hostname without a private UTS namespace"},
			{func(s *specs.Spec) { s.Hostname = strings.Repeat("x", 65) }, "65 bytes"},
		},
		"domainname": {{func(s *specs.Spec) { s.Hostname, s.Linux.Namespaces = "", nil }, "unable to set domainname without a private UTS namespace"}},
		`linux.sysctl["foo.bar"]`: {{func(s *specs.Spec) {
			s.Linux.Sysctl["foo.bar"], s.Linux.Sysctl["zoo.bar"] = "1", "1"
		}, `sysctl "foo.bar" is not in a separate kernel namespace`}},
		`linux.sysctl["net.ipv4.ip_forward"]`: {{func(s *specs.Spec) {
			s.Linux.Namespaces = s.Linux.Namespaces[1:]
		}, `sysctl "net.ipv4.ip_forward" is not in a separate kernel namespace: the container has no network namespace`}},
		`linux.sysctl["kernel.hostname"]`: {{func(s *specs.Spec) { s.Linux.Sysctl["kernel.hostname"] = "x" }, "conflicts with OCI field hostname"}},
		`linux.sysctl["kernel..x"]`:       {{func(s *specs.Spec) { s.Linux.Sysctl["kernel..x"] = "x" }, "malformed name"}},
	} {
		for _, c := range list {
			s := fullSpec()
			c.change(s)
			_, err := processPlan(s, &Options{AppArmor: true, SELinux: true})
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: got %v, want %s", field, err, c.text)
				continue
			}
			if f := fault.Of(err); f.Field != field || f.Code != fault.Config {
				t.Errorf("%s: got %s, %s", field, f.Code, f.Field)
			}
		}
	}
	for field, opts := range map[string]Options{"process.apparmorProfile": {SELinux: true}, "process.selinuxLabel": {AppArmor: true}} {
		_, err := processPlan(fullSpec(), &opts)
		if f := fault.Of(err); f.Field != field || f.Code != fault.LSM || !strings.Contains(err.Error(), "is specified in config, but ") {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

// TestInitialAffinity is the part that the parent asks for.
func TestInitialAffinity(t *testing.T) {
	p := fullSpec().Process
	a, err := InitialAffinity(p)
	if err != nil || a == nil || !slices.Equal(a.CPUs, []int{0, 1, 2, 3}) {
		t.Errorf("got %v, %v", a, err)
	}
	p.ExecCPUAffinity.Initial = ""
	if a, err = InitialAffinity(p); a != nil || err != nil {
		t.Errorf("got %v, %v", a, err)
	}
}

func TestSysctlPath(t *testing.T) {
	for name, want := range map[string]string{
		"kernel.shmmax": "kernel/shmmax", "kernel/shmmax": "kernel/shmmax", "plain": "plain",
		"net.ipv4.conf.eth0/1.x": "net/ipv4/conf/eth0.1/x", "net/ipv4/conf/eth0.1/x": "net/ipv4/conf/eth0.1/x",
		"": "", ".": "", "a..b": "", "/a": "", "a/../b": "", "a/./b": "", "a.b/": "a/b.",
	} {
		got, err := sysctlPath(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestParseList(t *testing.T) {
	for list, want := range map[string][]int{
		"": nil, " ": nil, "0": {0}, "3,1-2": {1, 2, 3}, "1,1,0-1": {0, 1}, " 2 , 4 ": {2, 4}, "9": {9},
	} {
		if got, err := parseList(list, 10); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %v, %v; want %v", list, got, err, want)
		}
	}
	for _, list := range []string{",", "1,", "-1", "1-", "2-1", "10", "0-10", "x", "1-2-3", "0x1", "99999999999999999999", "+1"} {
		if got, err := parseList(list, 10); err == nil {
			t.Errorf("%q: got %v", list, got)
		}
	}
}

func TestFindHome(t *testing.T) {
	const passwd = "root:x:0:0:root:/root:/bin/sh\n# comment\nshort:x:5\nbad:x:y:0::/bad:\nnul:x:6:6::/a\x00b:\nseven:x:7:7::/home/seven:/bin/sh\nlater:x:7:7::/later:\nnone:x:8:8:::\nlast:x:9:9::/last"
	for uid, want := range map[uint32]string{0: "/root", 5: "", 6: "", 7: "/home/seven", 8: "", 9: "/last", 10: ""} {
		if got := findHome(strings.NewReader(passwd), uid); got != want {
			t.Errorf("%d: got %q, want %q", uid, got, want)
		}
	}
}

func FuzzSysctl(f *testing.F) {
	for _, name := range []string{"net.ipv4.ip_forward", "net/ipv4/conf/eth0.1/x", "kernel..", "../x", "a.b/../c"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		path, err := sysctlPath(name)
		if err != nil {
			return
		}
		// Whatever is accepted stays below /proc/sys.
		if !filepath.IsLocal(path) || filepath.Clean(path) != path {
			t.Errorf("%q becomes %q", name, path)
		}
	})
}

func FuzzCPUSet(f *testing.F) {
	for _, list := range []string{"0-3,7", "", "1-", "8191", "0-8192", " 1 , 2"} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		cpus, err := parseList(list, maxCPU)
		if err != nil {
			return
		}
		mask := bitmask(cpus)
		if !slices.IsSorted(cpus) || len(mask) > maxCPU/64 {
			t.Errorf("%q becomes %v", list, cpus)
		}
		for _, n := range cpus {
			if mask[n/64]&(1<<(n%64)) == 0 {
				t.Errorf("%q: %d is not in the mask", list, n)
			}
		}
	})
}

func FuzzPasswd(f *testing.F) {
	f.Add([]byte("root:x:0:0:root:/root:/bin/sh\n"), uint32(0))
	f.Add([]byte(":::::\nx:x:4294967295:::/"), uint32(1<<32-1))
	f.Fuzz(func(t *testing.T, b []byte, uid uint32) {
		if home := findHome(bytes.NewReader(b), uid); strings.ContainsAny(home, ":\n\x00") || !bytes.Contains(b, []byte(home)) {
			t.Errorf("%q", home)
		}
	})
}

// TestFilterPlace has a filter that only Exec loads, and one that has to hold hooks.
func TestFilterPlace(t *testing.T) {
	s := fullSpec()
	s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActKillProcess}}}
	last := func(plan Plan) *Exec {
		t.Helper()
		x, ok := plan[len(plan)-1].Step.(*Exec)
		if !ok {
			t.Fatalf("the last step is %s", plan[len(plan)-1].Step)
		}
		return x
	}
	place := func(plan Plan, is func(Step) bool) int {
		return slices.IndexFunc(plan, func(e Entry) bool { return is(e.Step) })
	}
	isFilter := func(s Step) bool { _, ok := s.(*Filter); return ok }
	plan, err := processPlan(s, &Options{AppArmor: true, SELinux: true})
	if err != nil {
		t.Fatal(err)
	}
	wait := place(plan, func(s Step) bool { _, ok := s.(*Wait); return ok })
	hooks := place(plan, func(s Step) bool { h, ok := s.(*RunHooks); return ok && h.Kind == "startContainer" })
	if filter := place(plan, isFilter); filter < wait || hooks < filter || last(plan).Filter != nil {
		t.Errorf("wait %d, filter %d, hooks %d", wait, filter, hooks)
	}
	s.Hooks.StartContainer = nil
	if plan, err = processPlan(s, &Options{AppArmor: true, SELinux: true}); err != nil {
		t.Fatal(err)
	}
	if place(plan, isFilter) >= 0 || last(plan).Filter == nil {
		t.Error("the filter is not the last step's")
	}
}
