// Package bundle reads what a container is made of: config.json and process.json. What is wrong with them, as far as
// it shows without looking at the host, is reported here or by libinit.NewPlan: each value is checked in one place,
// beside what uses it where that is libinit's, and here otherwise.
package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/logs"
	"mydocker/internal/rawfile"
)

// File is the name of the configuration in a bundle (runtime-spec, bundle.md).
const File = "config.json"

// maxFile bounds what is read. Real documents, with their seccomp profile, have some 100 KiB.
const maxFile = 16 << 20

// Bundle is a bundle as it was read.
type Bundle struct {
	Dir    string      // absolute
	Spec   *specs.Spec // valid, with absolute paths
	Config []byte      // config.json, byte for byte
}

// Load reads the bundle in a directory; "" is the working directory. Paths in the configuration that may be relative
// to the bundle are made absolute.
func Load(dir string) (*Bundle, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find bundle: %w", err)
	}
	config, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	spec, warnings, err := Parse(config, dir)
	if err != nil {
		return nil, Misspelt(err, config)
	}
	for _, w := range warnings {
		logrus.Warn(w.Error())
	}
	return &Bundle{Dir: dir, Spec: spec, Config: config}, checkRootfs(spec.Root.Path)
}

func readConfig(dir string) ([]byte, error) {
	config, err := read(filepath.Join(dir, File))
	if errors.Is(err, os.ErrNotExist) {
		err = &fault.Error{
			Path: filepath.Join(dir, File), Errno: unix.ENOENT, Err: fmt.Errorf("JSON specification file %s not found", File),
		}
		return nil, fault.Hint(fault.New(fault.NoConfig, "", err),
			"give the directory of the bundle by --bundle, or make a "+File+" there by `spec`")
	}
	if errors.Is(err, unix.ENOTDIR) {
		return nil, fault.Hint(fault.New(fault.NoConfig, "", err), "--bundle takes the directory that has the "+File)
	}
	if err != nil {
		return nil, fault.New(fault.Config, "", err)
	}
	return config, nil
}

// checkRootfs tells early that the root filesystem is missing. Who may not look here may still be allowed to as root
// of the container's user namespace.
func checkRootfs(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil
	case err != nil:
		err = fmt.Errorf("invalid rootfs: %w", err)
	case !info.IsDir():
		err = fmt.Errorf("invalid rootfs: %s is not a directory", path)
	default:
		return nil
	}
	return fault.Hint(fault.New(fault.Rootfs, "root.path", err), "a relative root.path is below the bundle's directory")
}

// Parse makes a valid configuration of the bytes of config.json. dir is the bundle, absolute. The warnings say what
// has been taken otherwise than it is written.
func Parse(config []byte, dir string) (spec *specs.Spec, warnings []error, err error) {
	spec = &specs.Spec{}
	if err := decode(File, config, spec); err != nil {
		return nil, nil, err
	}
	if spec.Linux == nil {
		spec.Linux = &specs.Linux{}
	}
	warnings = complete(spec, dir)
	return spec, warnings, Validate(spec)
}

// LoadProcess reads a process.json: what config.json has as "process".
func LoadProcess(path string) (*specs.Process, error) {
	b, err := read(path)
	if err != nil {
		return nil, fault.New(fault.Config, "", fmt.Errorf("read process: %w", err))
	}
	p := &specs.Process{}
	if err := decode(filepath.Base(path), b, p); err != nil {
		return nil, err
	}
	return p, ValidateProcess(p, "process")
}

// ReadResources reads what config.json has as "linux.resources", up to the end of that. name is what errors call r.
func ReadResources(name string, r io.Reader) (*specs.LinuxResources, error) {
	var text bytes.Buffer
	var one json.RawMessage
	// A person at a terminal has no end to give but that of the object.
	err := json.NewDecoder(io.TeeReader(io.LimitReader(r, maxFile), &text)).Decode(&one)
	document := text.Bytes()
	if err == nil {
		document = one
	}
	resources := &specs.LinuxResources{}
	if err := decode(name, document, resources); err != nil {
		return nil, err
	}
	for _, doubt := range readDocument(document, reflect.TypeFor[specs.LinuxResources]()).Doubts {
		logs.Warn(fmt.Errorf("%s: %w", name, doubt), "update")
	}
	return resources, first(func(r report) { rules("devices", resources.Devices, r) })
}

func read(path string) ([]byte, error) {
	f, err := rawfile.Open(path, 0, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s: %d bytes are more than the %d that are read", path, info.Size(), maxFile)
	}
	return readAll(f, int(info.Size()))
}

// complete makes paths absolute: the root filesystem and sources of bind mounts are relative to the bundle
// (config.md), and a relative destination of a mount is taken from the root.
func complete(spec *specs.Spec, dir string) (warnings []error) {
	if r := spec.Root; r != nil && r.Path != "" {
		r.Path = join(dir, r.Path)
	}
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if isBind(m) && m.Source != "" {
			m.Source = join(dir, m.Source)
		}
		if m.Destination != "" && !filepath.IsAbs(m.Destination) {
			field := fmt.Sprintf("mounts[%d].destination", i)
			warnings = append(warnings, fault.New(fault.Doubtful, field,
				fmt.Errorf("%s: mount destination %q is not absolute: it is taken as %q", field, m.Destination, "/"+m.Destination)))
			m.Destination = "/" + m.Destination
		}
		if spec.Root != nil {
			m.Destination = insideRoot(spec.Root.Path, m.Destination)
		}
	}
	return warnings
}

// insideRoot takes a destination that has the path of the root filesystem on the host before it as one below that:
// runc does, and configurations that were made for it may rely on it.
func insideRoot(root, dest string) string {
	root = filepath.Clean(root)
	if rest, ok := strings.CutPrefix(dest, root+"/"); ok && root != "/" && filepath.IsAbs(root) {
		return "/" + rest
	}
	return dest
}

func join(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func isBind(m *specs.Mount) bool {
	for _, o := range m.Options {
		if o == "bind" || o == "rbind" {
			return true
		}
	}
	return m.Type == "bind" || m.Type == "rbind"
}
