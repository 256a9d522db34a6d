package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// Examined is a bundle of which everything is wanted that is wrong with it.
type Examined struct {
	Dir      string      // absolute
	Spec     *specs.Spec // as far as it could be read; nil when it is not JSON. It has a root and a linux section
	Config   []byte
	Document *Document // nil when it is not JSON
	Wrong    []error   // Load returns the first
	Doubts   []error
}

// Examine reads the bundle in a directory as Load does, and goes on after the first error.
func Examine(dir string) (*Examined, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find bundle: %w", err)
	}
	x := &Examined{Dir: dir}
	if x.Config, err = readConfig(dir); err != nil {
		x.Wrong = []error{err}
		return x, nil //nolint:nilerr // it is what was found
	}
	x.Spec = &specs.Spec{}
	err = decode(File, x.Config, x.Spec)
	var kind *json.UnmarshalTypeError
	if err != nil && !errors.As(err, &kind) && !json.Valid(x.Config) {
		x.Spec, x.Wrong = nil, []error{err}
		return x, nil
	}
	x.Document = readDocument(x.Config, reflect.TypeFor[specs.Spec]())
	if x.Wrong = x.Document.Wrong; len(x.Wrong) == 0 && err != nil {
		x.Wrong = []error{err}
	}
	x.Doubts = x.Document.Doubts
	x.validate()
	return x, nil
}

func (x *Examined) validate() {
	if x.Spec.Linux == nil {
		x.Spec.Linux = &specs.Linux{}
	}
	x.Doubts = append(x.Doubts, complete(x.Spec, x.Dir)...)
	x.Wrong = append(x.Wrong, Problems(x.Spec)...)
	if x.Spec.Root == nil {
		x.Spec.Root = &specs.Root{}
	}
	if x.Spec.Root.Path == "" {
		return
	}
	if err := checkRootfs(x.Spec.Root.Path); err != nil {
		x.Wrong = append(x.Wrong, err)
	}
}

// Rootfs tells whether the root filesystem can be looked at.
func (x *Examined) Rootfs() bool {
	return x.Spec != nil && x.Spec.Root.Path != "" && fault.Of(checkRootfs(x.Spec.Root.Path)).Code == ""
}
