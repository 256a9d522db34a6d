package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"

	"mydocker/internal/bundle"
	"mydocker/internal/container"
	"mydocker/internal/fault"
	"mydocker/internal/generate"
	"mydocker/internal/stdio"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "create and start a container",
		ArgsUsage: "ID  or  [--rootfs DIR] [ID] [--] PROGRAM [ARG...]",
		Description: "Runs the container of a bundle and waits for its end, which removes it. The exit code is that of its process, or 128+n\n" +
			"when signal n ended it.\n\n" +
			"With a program, or with one of --rootfs, --tty, --env, --cwd, --user, --hostname, --network, --volume, --memory, --cpus,\n" +
			"--pids and --rw, no bundle is read: the container is made as the flags say, of the directory of --rootfs, else of the host's\n" +
			"own root filesystem, read-only, with a /tmp, a /run and a network of its own. The program begins behind \"--\", or with the\n" +
			"first argument that has a slash; the default is sh. One word behind \"--\" alone is an ID. Without an ID, one is made, which is\n" +
			"printed with --detach.",
		Flags: append(append(createFlags(),
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "do not wait for the end"},
			&cli.BoolFlag{Name: "keep", Usage: "do not remove the container when its process ends"},
			&cli.BoolFlag{Name: "no-subreaper", Usage: "do not become the parent of processes that the container leaves behind"},
		), generatorFlags()...),
		Action: func(_ context.Context, c *cli.Command) error {
			o, err := runArguments(c)
			if err != nil {
				return err
			}
			code, err := runContainer(c, o)
			if err != nil {
				return fmt.Errorf("%s run failed: %w", name, err)
			}
			if o.made && on(c, "detach") {
				if _, err := stdio.Out.WriteString(o.id + "\n"); err != nil {
					return err
				}
			}
			return exitWith(code)
		},
	}
}

// runArguments is what the arguments say: an ID, and, in place of the bundle, the options of a generated one or nil.
func runArguments(c *cli.Command) (*runTarget, error) {
	args, program := c.Args().Slice(), program(c)
	if given(c, "rootfs") && text(c, "rootfs") == "" {
		return nil, fault.New(fault.Usage, "", fmt.Errorf("%s: --rootfs is empty", name))
	}
	word := false
	// As everywhere, "--" may stand before the ID alone.
	if len(args) == 0 && len(program) == 1 && !strings.Contains(program[0], "/") && !generatorSet(c) {
		args, program, word = program, nil, true
	}
	if len(program) == 0 && !generatorSet(c) {
		if len(args) != 1 {
			return nil, fault.Hint(fault.New(fault.Usage, "", notExactly(c, 1)), `an ID for a bundle; a program stands behind "--", or has a slash, as in "-- echo hi"`)
		}
		return &runTarget{id: args[0], word: word}, nil
	}
	if given(c, "bundle") {
		return nil, fault.Hint(fault.New(fault.Usage, "", fmt.Errorf("%s: a program, --rootfs and the like do not go with --bundle", name)),
			"change process.args and the other fields in the bundle's config.json")
	}
	if len(args) > 1 {
		return nil, fault.Hint(fault.New(fault.Usage, "", fmt.Errorf("%s: %q takes one ID: found %s", name, c.Name, strings.Join(args, " "))),
			`the program begins behind "--", or with an argument that has a slash`)
	}
	o, err := generatorOptions(c)
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		return &runTarget{id: args[0], generate: o}, nil
	}
	return &runTarget{id: fmt.Sprintf("run-%08x", rand.Uint32()), made: true, generate: o}, nil
}

type runTarget struct {
	id       string
	made     bool              // the ID is not the caller's
	word     bool              // the ID stands behind "--"
	generate *generate.Options // nil for a bundle
}

// options are those of the container that the target is.
func (t *runTarget) options(c *cli.Command, s *container.Store) (*container.CreateOptions, error) {
	if t.generate == nil {
		o, err := createOptions(c, t.id)
		if fault.Of(err).Code == fault.NoConfig && (t.word || isProgram(t.id)) {
			return nil, fault.Rehint(err, "one word is an ID: as a program it has a path, as /bin/"+t.id+", or comes with --rootfs /, behind --")
		}
		return o, err
	}
	return generated(c, s, t)
}

func runContainer(c *cli.Command, t *runTarget) (int, error) {
	s, err := store(c)
	if err != nil {
		return 0, err
	}
	o, err := t.options(c, s)
	if err != nil {
		return 0, err
	}
	code, err := s.Run(&container.RunOptions{
		CreateOptions: *o, Detach: on(c, "detach"), Keep: on(c, "keep"), NoSubreaper: on(c, "no-subreaper"),
	})
	if err != nil && t.generate != nil {
		err = t.ofFlags(err, o.Spec)
	}
	return code, err
}

// ofFlags tells of what the flags have asked for, where err is about the configuration that was made of them.
func (t *runTarget) ofFlags(err error, spec *specs.Spec) error {
	facts, volumes := fault.Of(err), t.generate.Volumes
	if (facts.Code == fault.ExecNotFound || facts.Code == fault.ExecDenied) && !t.made && isProgram(t.id) {
		return fault.Rehint(err, t.id+" is taken for the ID: a program without a slash comes behind --, as in: run -- "+t.id)
	}
	for i, v := range volumes { // the last of the mounts, in order
		switch {
		case !strings.HasPrefix(facts.Field, fmt.Sprintf("mounts[%d].", len(spec.Mounts)-len(volumes)+i)):
		case facts.Code == fault.MountSource:
			return fault.Rehint(err, "the source of --volume "+v+" has to be there, a directory or a file, seen from the working directory")
		case facts.Hint == "":
			return fault.Rehint(err, "it is of --volume "+v)
		}
	}
	return err
}

// isProgram tells whether the host has a program of that name.
func isProgram(word string) bool {
	_, err := exec.LookPath(word)
	return err == nil
}

// generated makes the options of a container without a bundle. Its state directory, which keeps the configuration,
// stands for that.
func generated(c *cli.Command, s *container.Store, t *runTarget) (*container.CreateOptions, error) {
	if err := container.CheckID(t.id); err != nil {
		return nil, err
	}
	spec, g := exampleSpec(), t.generate
	if !container.RootOfHost() {
		generate.Rootless(spec, uint32(os.Geteuid()), uint32(os.Getegid()))
	}
	if g.Rootfs == "" {
		g.Rootfs = "/"
	}
	if g.Hostname == "" {
		g.Hostname = t.id[:min(len(t.id), maxHostname)]
	}
	if g.Network == "" {
		g.Network = "none"
	}
	if g.Terminal == nil {
		g.Terminal = new(bool)
	}
	if term := os.Getenv("TERM"); *g.Terminal && term != "" {
		g.Env = append([]string{"TERM=" + term}, g.Env...)
	}
	if err := g.Apply(spec); err != nil {
		return nil, err
	}
	config, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.Root, t.id)
	if spec, _, err = bundle.Parse(config, dir); err != nil {
		return nil, err
	}
	o := &container.CreateOptions{ID: t.id, Spec: spec, Config: config, Bundle: dir}
	return o, processOptions(c, o)
}

// maxHostname is the longest name that the kernel takes (sethostname(2)).
const maxHostname = 64
