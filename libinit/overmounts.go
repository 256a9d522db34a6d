package libinit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// procRefused explains the EPERM of a procfs in a user namespace: the kernel makes one only where another is fully
// visible already (mount_namespaces(7), mnt_already_visible in the kernel's fs/namespace.c), since a new one would
// uncover what is covered in that. It lists what covers it, which takes a look at all mounts, after the failure.
func procRefused(err error) error {
	covers, readonly := procCovers()
	hint := "in a user namespace proc needs a new PID namespace and a /proc outside that nothing covers"
	switch {
	case len(covers) > 0:
		hint += "; here it is covered at " + strings.Join(covers, ", ")
	case readonly:
		hint = "the /proc outside is read-only, and so has to be the one in a user namespace: add the option ro"
	}
	return fault.Hint(fault.New(fault.ProcMasked, "", err), hint+". What works in any case: bind the outer one (source /proc, options rbind, rslave)")
}

// mayCover tells whether a directory is one that the kernel has made to be mounted on, and so hides nothing
// (proc_create_mount_point and sysctl_mount_point in fs/proc).
func mayCover(path string) bool {
	return slices.Contains([]string{"/proc/sys/fs/binfmt_misc", "/proc/fs/nfsd"}, path)
}

// ForeseeProc is the error that a procfs would meet in a new user namespace, nil when it would meet none.
func ForeseeProc() error {
	if covers, _ := procCovers(); len(covers) == 0 {
		return nil
	}
	return procRefused(fmt.Errorf("create filesystem: %w", unix.EPERM))
}

// maxCovers is how many covered places are listed.
const maxCovers = 12

// procCovers lists the mounts below the procfs mounts that init sees: the runtime's, since it has not left its root
// yet. readonly tells that one is so by the mount itself.
func procCovers() (covers []string, readonly bool) {
	all, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, false
	}
	for _, m := range all {
		if m.FSType != "proc" || m.Root != "/" {
			continue
		}
		readonly = readonly || slices.Contains(strings.Split(m.Options, ","), "ro")
		for _, c := range all {
			if c.Parent == m.ID && !mayCover(c.Mountpoint) && !slices.Contains(covers, c.Mountpoint) {
				covers = append(covers, c.Mountpoint)
			}
		}
	}
	slices.Sort(covers)
	if n := len(covers); n > maxCovers {
		covers = append(covers[:maxCovers], "and more")
	}
	return covers, readonly
}
