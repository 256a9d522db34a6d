package seccomp

import specs "github.com/opencontainers/runtime-spec/specs-go"

type Filter struct {
	Program                        []byte
	Flags                          uint32
	Notify                         bool
	ListenerPath, ListenerMetadata string
}

func (f *Filter) Len() int                                 { return len(f.Program) / 8 }
func (f *Filter) Load() (int, error)                       { return -1, nil }
func Compile(*specs.LinuxSeccomp, string) (*Filter, error) { return &Filter{}, nil }
