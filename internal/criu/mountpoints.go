package criu

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/libinit"
)

// makeMountpoints makes the places of mounts that are missing: in the root filesystem, which may be a new one, as made
// from the image once more, and in what is bound from the host. criu only mounts.
func makeMountpoints(spec *specs.Spec, h *Host) error {
	for i := range spec.Mounts {
		root, path := placeOf(spec, h, i)
		if root == "" {
			continue
		}
		file := false
		if m := &spec.Mounts[i]; isBind(m) {
			info, err := os.Stat(bindSource(m, h))
			file = err == nil && !info.IsDir()
		}
		// Where nothing can be made criu says which place it misses.
		if err := makeMountpoint(root, path, file); err != nil && !errors.Is(err, unix.EROFS) {
			return fault.New(fault.Mount, fmt.Sprintf("mounts[%d].destination", i), err)
		}
	}
	return nil
}

// placeOf tells where on the host the place of mount i is: a directory, and the path in it. It is nowhere, "", where an
// earlier mount covers it whose content comes with the images, or may not be written to.
func placeOf(spec *specs.Spec, h *Host, i int) (root, path string) {
	destination := keyOfMount(spec.Mounts[i].Destination)
	root, path = h.Rootfs, destination
	for j := range spec.Mounts[:i] {
		m := &spec.Mounts[j]
		rest, below := strings.CutPrefix(destination, strings.TrimSuffix(keyOfMount(m.Destination), "/")+"/")
		switch {
		case !below:
		case isBind(m) && !slices.Contains(m.Options, "ro"):
			root, path = bindSource(m, h), rest
		default:
			root = ""
		}
	}
	return root, path
}

func makeMountpoint(root, path string, file bool) error {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: root, Err: err}
	}
	defer unix.Close(fd)
	return libinit.MakeTarget(fd, path, file)
}
