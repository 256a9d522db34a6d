package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"

	"mydocker/internal/bundle"
	"mydocker/internal/cgroups"
	"mydocker/internal/fault"
	"mydocker/internal/generate"
)

func specCommand() *cli.Command {
	return &cli.Command{
		Name:      "spec",
		Usage:     "write a config.json to begin with",
		ArgsUsage: "[-- PROGRAM [ARG...]]",
		Description: "Writes a configuration that runs a shell in the directory rootfs of the bundle, with few privileges and no network,\n" +
			"or what the flags say.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "`DIR` to write it to", DefaultText: "the working directory", TakesFile: true},
			&cli.BoolFlag{Name: "rootless", Usage: "make it one that the caller can run without being root"},
		}, generatorFlags()...),
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 0); err != nil {
				return err
			}
			spec := exampleSpec()
			if on(c, "rootless") {
				generate.Rootless(spec, uint32(os.Geteuid()), uint32(os.Getegid()))
			}
			o, err := generatorOptions(c)
			if err != nil {
				return err
			}
			if err := o.Apply(spec); err != nil {
				return err
			}
			return writeSpec(filepath.Join(text(c, "bundle"), bundle.File), spec)
		},
	}
}

// exampleSpec is the configuration to begin with on this host.
func exampleSpec() *specs.Spec {
	spec := generate.Example()
	if cgroups.Mode() == cgroups.V2 {
		generate.OwnCgroup(spec)
	}
	return spec
}

// writeSpec makes a new file. An old one may be the work of hours.
func writeSpec(path string, spec *specs.Spec) error {
	b, err := json.MarshalIndent(spec, "", "\t")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if errors.Is(err, os.ErrExist) {
		return fault.New(fault.Usage, "", fmt.Errorf("File %s exists. Remove it first", bundle.File))
	}
	if err != nil {
		return fault.New(fault.Usage, "", err)
	}
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close(), os.Remove(path))
	}
	return f.Close()
}
