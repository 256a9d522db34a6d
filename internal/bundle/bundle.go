// Package bundle reads a bundle's config.json, and refuses what no host could do (runtime-spec, bundle.md, config.md).
package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"mydocker/internal/fault"
)

// ConfigFile is the name of the configuration in a bundle.
const ConfigFile = "config.json"

// Bundle is a configuration and where it was read.
type Bundle struct {
	Dir    string // absolute
	Config []byte // the document as read
	Spec   *specs.Spec
}

// Load reads and validates the configuration of the bundle in dir ("" is the working directory).
func Load(dir string) (*Bundle, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fault.New(fault.NoConfig, "", err)
	}
	config, err := os.ReadFile(filepath.Join(dir, ConfigFile))
	if errors.Is(err, os.ErrNotExist) {
		if _, e := os.Stat(dir); e != nil {
			return nil, fault.New(fault.NoConfig, "", fmt.Errorf("bundle: %w", e))
		}
		err = fmt.Errorf("JSON specification file %s not found", ConfigFile) //nolint:staticcheck // known text
		return nil, fault.Hint(fault.New(fault.NoConfig, "", err), "`spec` makes one in the working directory")
	}
	if err != nil {
		return nil, fault.New(fault.NoConfig, "", err)
	}
	return Parse(config, dir)
}

// Parse takes a configuration for a bundle in dir.
func Parse(config []byte, dir string) (*Bundle, error) {
	spec := &specs.Spec{}
	if err := decode(config, spec, ConfigFile); err != nil {
		return nil, err
	}
	if err := Validate(spec); err != nil {
		return nil, err
	}
	if spec.Linux == nil {
		spec.Linux = &specs.Linux{}
	}
	return &Bundle{Dir: dir, Config: config, Spec: spec}, checkRootfs(spec, dir)
}

// LoadProcess reads a process, as `exec --process` gets it.
func LoadProcess(path string) (*specs.Process, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.NoConfig, "", err)
	}
	p := &specs.Process{}
	if err := decode(b, p, path); err != nil {
		return nil, err
	}
	return p, ValidateProcess(p, "process")
}

// decode says where in the document an error is.
func decode(b []byte, v any, name string) error {
	err := json.Unmarshal(b, v)
	if err == nil {
		return nil
	}
	offset, field := int64(-1), ""
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset, field = kind.Offset, kind.Field
	}
	if offset < 0 {
		return fault.New(fault.JSON, "", fmt.Errorf("%s: %w", name, err))
	}
	line, column := position(b, offset)
	return fault.New(fault.JSON, field, fmt.Errorf("%s: line %d, column %d: %w", name, line, column, err))
}

// position is the line and column, from 1 on, of the byte before offset.
func position(b []byte, offset int64) (line, column int) {
	before := b[:min(int(offset), len(b))]
	line = bytes.Count(before, []byte("\n")) + 1
	column = len(before) - (bytes.LastIndexByte(before, '\n') + 1)
	return line, max(column, 1)
}

// checkRootfs tells early that the root filesystem is missing.
func checkRootfs(spec *specs.Spec, dir string) error {
	path := spec.Root.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	info, err := os.Stat(path)
	// Who may not look may still be allowed to once root of the user namespace.
	if err != nil && !errors.Is(err, os.ErrPermission) {
		return fault.New(fault.Rootfs, "root.path", fmt.Errorf("invalid rootfs: %w", err))
	}
	if err == nil && !info.IsDir() {
		return fault.New(fault.Rootfs, "root.path", fmt.Errorf("invalid rootfs: %s is not a directory", path))
	}
	return nil
}

// warnRelative takes a relative mount destination as absolute (runtime-spec, config.md, "Mounts": runtimes SHOULD
// take a relative one as relative to "/").
func warnRelative(i int, m *specs.Mount) {
	if !strings.HasPrefix(m.Destination, "/") {
		logrus.Warnf("mounts[%d].destination: relative destination path is %q, using %q", i, m.Destination, "/"+m.Destination)
		m.Destination = "/" + m.Destination
	}
}
