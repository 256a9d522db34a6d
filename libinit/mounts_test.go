package libinit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// hostDir makes a directory of the host with a file "file" that holds "host".
func hostDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("host"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBindOptions(t *testing.T) {
	host := hostDir(t)
	for options, want := range map[string]string{
		"bind":                            "rw,relatime",
		"rbind,rprivate":                  "rw,relatime",
		"bind,ro":                         "ro,relatime",
		"bind,ro,rw":                      "rw,relatime",
		"bind,nosuid,nodev,noexec":        "rw,nosuid,nodev,noexec,relatime",
		"bind,noatime,nodiratime":         "rw,noatime,nodiratime",
		"bind,strictatime":                "rw",
		"bind,noatime,atime":              "rw,relatime",
		"bind,strictatime,norelatime":     "rw",
		"bind,strictatime,nostrictatime":  "rw,relatime",
		"bind,nosymfollow":                "rw,relatime,nosymfollow",
		"rbind,rro,rnosuid,rnodev":        "ro,nosuid,nodev,relatime",
		"rbind,rro,rrw,rnoexec,rnoatime":  "rw,noexec,noatime",
		"rbind,ro,shared":                 "ro,relatime shared:",
		"rbind,rshared":                   "rw,relatime shared:",
		"rbind,rnosymfollow,unbindable":   "rw,relatime,nosymfollow unbindable",
		"rbind,runbindable":               "rw,relatime unbindable",
		"rbind,rstrictatime,rnodiratime":  "rw,nodiratime",
		"defaults,bind,exec,dev,suid":     "rw,relatime",
		"bind,sync,dirsync,silent,async":  "rw,relatime",
		"rbind,rslave,slave,private,loud": "rw,relatime",
	} {
		t.Run(options, func(t *testing.T) {
			s := spec(rootDir(t, "proc/"), mount("none", host, "/data", strings.Split(options, ",")...))
			line := mountLine(t, must(t, &job{Spec: s, Probe: "mountinfo"}), "/data")
			_, line, _ = strings.Cut(line, "/data ")
			got, _, _ := strings.Cut(line, " - ")
			if strings.HasSuffix(want, "shared:") {
				got = strings.TrimRight(got, "0123456789")
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestBindRecursiveAttributes(t *testing.T) {
	host := hostDir(t)
	s := spec(rootDir(t, "proc/"),
		mount("tmpfs", "below", "/a"), mount("tmpfs", "below", "/a/b"),
		mount("none", host, "/host", "rbind", "rro"), mount("none", "/proc", "/p", "rbind", "rro"))
	s.Mounts = s.Mounts[2:3]
	out := must(t, &job{Spec: s, Probe: "write", Args: []string{"/host/file", "/host/new"}})
	if want := "read-only file system\nread-only file system"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestBindSources(t *testing.T) {
	host := hostDir(t)
	root := rootDir(t, "proc/", "etc/", "file")
	s := spec(root,
		mount("bind", host, "/a/b/c", "bind"),
		mount("bind", filepath.Base(host), "/relative", "bind"),
		mount("bind", filepath.Join(host, "file"), "/etc/new/deep", "bind"),
		mount("bind", filepath.Join(host, "file"), "file", "bind"))
	out := must(t, &job{
		Spec: s, Options: Options{Bundle: filepath.Dir(host)}, Probe: "read",
		Args: []string{"/a/b/c/file", "/relative/file", "/etc/new/deep", "/file"},
	})
	if want := "host\nhost\nhost\nhost"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	fi, err := os.Stat(filepath.Join(root, "etc/new/deep"))
	if err != nil || !fi.Mode().IsRegular() {
		t.Errorf("the target of a file is %v, %v", fi, err)
	}
}

func TestMountErrors(t *testing.T) {
	host := hostDir(t)
	for name, c := range map[string]struct {
		mount specs.Mount
		want  string
		code  fault.Code
	}{
		"missing source": {mount("none", "/nope", "/x", "bind"), `error mounting "/nope" to rootfs at "/x": failed to fulfil mount request: open /nope: no such file or directory`, fault.Mount},
		"file on dir":    {mount("none", host+"/file", "/etc", "bind"), `error mounting "` + host + `/file" to rootfs at "/etc": not a directory`, fault.Mount},
		"no filesystem":  {mount("nosuchfs", "x", "/x"), `error mounting "x" to rootfs at "/x": fsopen nosuchfs: no such device`, fault.Mount},
		"bad option":     {mount("tmpfs", "x", "/x", "mode=9"), `error mounting "x" to rootfs at "/x": option mode=9: tmpfs: Bad value for 'mode': invalid argument`, fault.Mount},
		"unknown option": {mount("tmpfs", "x", "/x", "foo"), `error mounting "x" to rootfs at "/x": option foo: tmpfs: Unknown parameter 'foo': invalid argument`, fault.Mount},
		"proc a link":    {mount("proc", "proc", "/link"), `error mounting "proc" to rootfs at "/link": filesystem "proc" must be mounted on ordinary directory`, fault.Mount},
		"proc in a link": {mount("proc", "proc", "/link/new"), `error mounting "proc" to rootfs at "/link/new": filesystem "proc" must be mounted on ordinary directory`, fault.Mount},
		"sys on a file":  {mount("sysfs", "sysfs", "/f"), `error mounting "sysfs" to rootfs at "/f": not a directory`, fault.Mount},
		"proc covered":   {mount("none", host, "/proc", "bind"), `error mounting "` + host + `" to rootfs at "/proc": filesystem "bind" must be mounted on ordinary directory: /proc can be covered by a procfs only`, fault.Mount},
		"no remount":     {mount("", "", "/etc", "remount", "ro"), `error mounting "" to rootfs at "/etc": invalid argument`, fault.Mount},
		"magic link":     {mount("none", host, "/magic/x", "bind"), `error mounting "` + host + `" to rootfs at "/magic/x": too many levels of symbolic links`, fault.Mount},
		"loop":           {mount("none", host, "/loop/x", "bind"), `error mounting "` + host + `" to rootfs at "/loop/x": too many levels of symbolic links`, fault.Mount},
	} {
		t.Run(name, func(t *testing.T) {
			root := rootDir(t, "proc/", "etc/", "f")
			for link, to := range map[string]string{"link": "etc", "loop": "loop", "magic": "/proc/self/root"} {
				if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
					t.Fatal(err)
				}
			}
			s := spec(root, mount("proc", "proc", "/proc"), c.mount)
			_, err := try(t, &job{Spec: s, Probe: "stat"})
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestTmpfs(t *testing.T) {
	root := rootDir(t, "proc/", "kept/old/file", "open/")
	for name, mode := range map[string]os.FileMode{"kept": 0o711, "open": 0o777 | os.ModeSticky} {
		if err := os.Chmod(filepath.Join(root, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(root, "kept/old/file"), 7, 8); err != nil {
		t.Fatal(err)
	}
	s := spec(root,
		mount("tmpfs", "tmpfs", "/kept", "tmpcopyup", "size=64k"),
		mount("tmpfs", "tmpfs", "/open", "mode=700"),
		mount("tmpfs", "tmpfs", "/new", "ro"),
		mount("tmpfs", "tmpfs", "/new/inner", "size=4k"))
	out := must(t, &job{Spec: s, Probe: "stat", Args: []string{"/kept", "/kept/old/file", "/open", "/new", "/new/inner"}})
	want := "/kept drwx--x--x 0:0 0,0\n/kept/old/file -rw-r--r-- 7:8 0,0\n/open drwx------ 0:0 0,0\n" +
		"/new dtrwxrwxrwx 0:0 0,0\n/new/inner dtrwxrwxrwx 0:0 0,0"
	if out != want {
		t.Errorf("got  %s\nwant %s", out, want)
	}
	out = must(t, &job{Spec: s, Probe: "write", Args: []string{"/kept/w", "/new/w", "/new/inner/w"}})
	if want := "written\nread-only file system\nwritten"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

// TestFilesystems mounts with options that mount(2) alone can set, and with one longer than fsconfig(2) takes.
func TestFilesystems(t *testing.T) {
	root := rootDir(t, "proc/", "upper/", "work/", "lower/")
	long := strings.Repeat("x", 200)
	var layers []string
	for _, n := range []string{"1", "2", "3"} {
		dir := filepath.Join(root, "lower", long+n)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		layers = append(layers, dir)
		if err := os.WriteFile(filepath.Join(dir, n), []byte(n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := spec(root,
		mount("tmpfs", "silent", "/silent", "silent", "nosuid", "noatime", "rslave", "size=8k"),
		mount("tmpfs", "lazy", "/lazy", "lazytime", "sync"))
	out := must(t, &job{Spec: s, Probe: "mountinfo"})
	if got, want := mountLine(t, out, "/silent"), "/ /silent rw,nosuid,noatime - tmpfs silent rw,size=8k"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := mountLine(t, out, "/lazy"), "/ /lazy rw,relatime - tmpfs lazy rw,sync,lazytime"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s = spec(root, mount("overlay", "overlay", "/merged", "lowerdir="+strings.Join(layers, ":")))
	if out := must(t, &job{Spec: s, Probe: "ls", Args: []string{"/merged"}}); out != "1 2 3" {
		t.Errorf("the overlay has %s", out)
	}
}

func TestRemount(t *testing.T) {
	s := spec(rootDir(t, "proc/"),
		mount("tmpfs", "tmpfs", "/t", "size=8k"),
		mount("", "", "/t", "remount", "ro", "noexec", "size=64k", "rshared"),
		mount("none", "/proc/sys", "/b", "bind"),
		mount("", "", "/b", "bind", "remount", "ro", "nosuid"))
	out := must(t, &job{Spec: s, Probe: "mountinfo"})
	got := mountLine(t, out, "/t")
	if !strings.HasPrefix(got, "/ /t ro,noexec,relatime shared:") || !strings.HasSuffix(got, " - tmpfs tmpfs rw,size=64k") {
		t.Errorf("got %s", got)
	}
	if got := mountLine(t, out, "/b"); !strings.HasPrefix(got, "/sys /b ro,nosuid,relatime ") && !strings.Contains(got, "ro,nosuid") {
		t.Errorf("got %s", got)
	}
}

func TestProcTargets(t *testing.T) {
	host := hostDir(t)
	s := spec(rootDir(t, "proc/"), mount("proc", "proc", "/proc"), mount("none", host+"/file", "/proc/uptime", "bind"))
	if out := must(t, &job{Spec: s, Probe: "read", Args: []string{"/proc/uptime"}}); out != "host" {
		t.Errorf("/proc/uptime holds %q", out)
	}
	for _, m := range []specs.Mount{
		mount("none", host, "/proc/self/attr", "bind"),
		mount("tmpfs", "tmpfs", "/proc/acpi"),
		mount("tmpfs", "tmpfs", "/proc"),
		mount("none", host+"/file", "/proc/../proc/sys/kernel/core_pattern", "bind"),
		mount("none", host+"/file", "//proc/sysrq-trigger", "bind"),
	} {
		s := spec("/", m)
		_, err := planOfRoot(&s)
		if err == nil || !strings.Contains(err.Error(), "must be mounted on ordinary directory") {
			t.Errorf("%s: %v", m.Destination, err)
		}
		if f := fault.Of(err); f.Field != "mounts[0].destination" {
			t.Errorf("%s: the field is %q", m.Destination, f.Field)
		}
	}
	// A link of the image into /proc.
	root := rootDir(t, "proc/")
	if err := os.Symlink("/proc/sys", filepath.Join(root, "innocent")); err != nil {
		t.Fatal(err)
	}
	s = spec(root, mount("proc", "proc", "/proc"), mount("tmpfs", "tmpfs", "/innocent/kernel"))
	if _, err := try(t, &job{Spec: s, Probe: "stat"}); err == nil || !strings.Contains(err.Error(), "must be mounted on ordinary directory") {
		t.Errorf("a mount in /proc by a link: %v", err)
	}
}

// What is beside the mount before need not be looked at, and has nothing to be kept for.
func TestBeside(t *testing.T) {
	for destinations, want := range map[string]string{
		"/a /b /c/d /c/e //c/f/ /c/g/h": "/b /c/e /c/f",
		"/proc /a /proc":                "/a",
		"/proc/stat /proc/uptime":       "",
		"/a /sys /b":                    "/b",
		"/a /":                          "",
		"/a/b /a /c/d /a/e /a/f /c/d":   "",
		"/ /a /b":                       "",
	} {
		s := spec("/")
		for d := range strings.FieldsSeq(destinations) {
			s.Mounts = append(s.Mounts, mount("none", "/src", d, "bind"))
		}
		plan, err := planOfRoot(&s)
		if err != nil {
			t.Fatal(err)
		}
		var beside []string
		for _, e := range plan {
			if b, ok := e.Step.(*Bind); ok && b.Beside {
				beside = append(beside, b.Target)
			}
		}
		if got := strings.Join(beside, " "); got != want {
			t.Errorf("%s: beside the one before are %q", destinations, got)
		}
	}
}

// planOfRoot is rootPlan with the options of an ordinary host.
func planOfRoot(s *specs.Spec) (Plan, error) {
	return rootPlan(s, &Options{Cgroup: CgroupV2, Bundle: "/bundle"})
}

func TestBadMounts(t *testing.T) {
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 10}}
	for name, c := range map[string]struct {
		mount specs.Mount
		field string
	}{
		"no destination": {mount("tmpfs", "", ""), "mounts[0].destination"},
		"no type":        {mount("", "x", "/x"), "mounts[0].type"},
		"NUL":            {mount("tmpfs", "x", "/x", "a", "b\x00"), "mounts[0].options[1]"},
		"NUL source":     {mount("tmpfs", "x\x00", "/x"), "mounts[0].source"},
		"stray option":   {mount("none", "/x", "/x", "bind", "ro", "size=1"), "mounts[0].options[2]"},
		"cgroup option":  {mount("cgroup", "x", "/x", "sync"), "mounts[0].options"},
		"copy up":        {mount("none", "/x", "/x", "bind", "tmpcopyup"), "mounts[0].options"},
		"idmap alone":    {mount("none", "/x", "/x", "bind", "idmap"), "mounts[0].options"},
		"idmap no bind":  {specs.Mount{Type: "tmpfs", Destination: "/x", UIDMappings: ids, GIDMappings: ids}, "mounts[0].uidMappings"},
		"uid alone":      {specs.Mount{Destination: "/x", Options: []string{"bind"}, UIDMappings: ids}, "mounts[0].gidMappings"},
		"gid alone":      {specs.Mount{Destination: "/x", Options: []string{"bind"}, GIDMappings: ids}, "mounts[0].uidMappings"},
	} {
		s := spec("/", c.mount)
		_, err := planOfRoot(&s)
		if f := fault.Of(err); f.Field != c.field || f.Code != fault.Config {
			t.Errorf("%s: %v: field %q, code %s; want %q", name, err, f.Field, f.Code, c.field)
		}
	}
}

func TestMountLabel(t *testing.T) {
	const label = "system_u:object_r:container_file_t:s0:c1,c2"
	s := defaultSpec("/rootfs")
	s.Linux.MountLabel = label
	plan, err := rootPlan(&s, &Options{SELinux: true, Cgroup: CgroupV1})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range plan {
		switch step := e.Step.(type) {
		case *Mount:
			want := step.Type == "tmpfs" || step.Type == "mqueue" || step.Type == "devpts"
			if got := slices.Contains(step.Data, "context="+label); got != want {
				t.Errorf("%s: labelled is %v, want %v", step, got, want)
			}
		case *MaskPaths:
			if step.Label != label {
				t.Errorf("masks have the label %q", step.Label)
			}
		}
	}
	if _, err := rootPlan(&s, &Options{}); fault.Of(err).Field != "linux.mountLabel" {
		t.Errorf("without SELinux: %v", err)
	}
}
