package criu

import (
	"errors"
	"fmt"
	"os"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/libinit"
)

// makeMountpoints makes the places of mounts that the root filesystem lacks. The one that is restored into may be new,
// as made from the image once more, and criu only mounts. What lies below an earlier mount comes with that.
func makeMountpoints(spec *specs.Spec, h *Host) error {
	root, err := unix.Open(h.Rootfs, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fault.New(fault.Rootfs, "root.path", &os.PathError{Op: "open", Path: h.Rootfs, Err: err})
	}
	defer unix.Close(root)
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if belowAny(spec.Mounts[:i], m.Destination) {
			continue
		}
		file := false
		if isBind(m) {
			info, err := os.Stat(bindSource(m, h))
			file = err == nil && !info.IsDir()
		}
		// Where nothing can be made criu says which place it misses.
		if err := libinit.MakeTarget(root, m.Destination, file); err != nil && !errors.Is(err, unix.EROFS) {
			return fault.New(fault.Mount, fmt.Sprintf("mounts[%d].destination", i), err)
		}
	}
	return nil
}

func belowAny(mounts []specs.Mount, path string) bool {
	path = keyOfMount(path)
	for i := range mounts {
		if strings.HasPrefix(path, strings.TrimSuffix(keyOfMount(mounts[i].Destination), "/")+"/") {
			return true
		}
	}
	return false
}
