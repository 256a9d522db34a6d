package main

import (
	"context"
	"encoding/json"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"github.com/urfave/cli/v3"

	"mydocker/internal/bundle"
	"mydocker/internal/criu"
	"mydocker/internal/seccomp"
	"mydocker/libinit"
)

func featuresCommand() *cli.Command {
	return &cli.Command{
		Name:        "features",
		Usage:       "print what this program can do",
		Description: "Prints as JSON (runtime-spec, features.md) what the program knows, whether the host has it or not.",
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 0); err != nil {
				return err
			}
			e := json.NewEncoder(c.Root().Writer)
			e.SetIndent("", "    ")
			return e.Encode(supported())
		},
	}
}

// supported comes from the tables that the parsers use, so that it cannot say what is not so.
func supported() *features.Features {
	yes := func() *bool { t := true; return &t }
	f := &features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: specs.Version,
		Hooks:         bundle.Hooks(),
		MountOptions:  libinit.MountOptions(),
		Linux: &features.Linux{
			Namespaces:      bundle.Namespaces(),
			Capabilities:    libinit.CapabilityNames(),
			Cgroup:          &features.Cgroup{V1: yes(), V2: yes(), Systemd: yes(), SystemdUser: yes(), Rdma: yes()},
			Apparmor:        &features.Apparmor{Enabled: yes()},
			Selinux:         &features.Selinux{Enabled: yes()},
			IntelRdt:        &features.IntelRdt{Enabled: yes(), Schemata: yes(), Monitoring: yes()},
			MemoryPolicy:    &features.MemoryPolicy{Modes: libinit.MemoryPolicyModes(), Flags: libinit.MemoryPolicyFlags()},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: yes()}},
			NetDevices:      &features.NetDevices{Enabled: yes()},
			Seccomp: &features.Seccomp{
				Enabled: yes(), Actions: seccomp.Actions(), Operators: seccomp.Operators(), Archs: seccomp.Archs(),
				KnownFlags: seccomp.Flags(), SupportedFlags: seccomp.SupportedFlags(),
			},
		},
		Annotations: map[string]string{"org." + name + ".version": version, "org." + name + ".checkpoint.enabled": "true"},
		// systemd takes the properties as they are; bundle names a directory to tools; criu reads any file.
		PotentiallyUnsafeConfigAnnotations: []string{"bundle", "org.systemd.property.", criu.ConfigAnnotation},
	}
	if commit != "" {
		f.Annotations["org."+name+".commit"] = commit
	}
	return f
}
