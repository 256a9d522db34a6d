package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"mydocker/internal/generate"
)

// generatorFlags say what a generated configuration is to be like. spec has them, and run, for a container without a
// bundle.
func generatorFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "rootfs", Usage: "`DIR` that is the root filesystem; \"/\" is the host's, read-only", TakesFile: true},
		&cli.BoolFlag{Name: "rw", Usage: "make the root filesystem writable"},
		ttyFlag(),
		&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, Usage: "set `NAME=VALUE`, or pass on the caller's by NAME alone"},
		&cli.StringFlag{Name: "cwd", Aliases: []string{"w"}, Usage: "working `DIR` in the container"},
		&cli.StringFlag{Name: "user", Aliases: []string{"u"}, Usage: "`UID[:GID]`, numbers; without GID it is the same number"},
		&cli.StringFlag{Name: "hostname", Usage: "host `NAME`"},
		&cli.StringFlag{Name: "network", Usage: "none (loopback only) or host"},
		&cli.StringSliceFlag{Name: "volume", Aliases: []string{"v"}, Usage: "bind `MOUNT`, SOURCE:DESTINATION[:OPTION,…], as ./data:/data:ro"},
		&cli.StringFlag{Name: "memory", Aliases: []string{"m"}, Usage: "limit of memory in bytes, or with a unit: 64m"},
		&cli.StringFlag{Name: "cpus", Usage: "number of CPUs that may be used, as 0.5"},
		&cli.Int64Flag{Name: "pids", HideDefault: true, Usage: "number of processes that there may be"},
	}
}

// generatorSet tells whether one of the generator's flags was given.
func generatorSet(c *cli.Command) bool {
	return slices.ContainsFunc(c.Flags, func(f cli.Flag) bool {
		return f.IsSet() && slices.ContainsFunc(generatorFlags(), func(g cli.Flag) bool { return g.Names()[0] == f.Names()[0] })
	})
}

// generatorOptions reads them.
func generatorOptions(c *cli.Command) (*generate.Options, error) {
	o := &generate.Options{
		Args: program(c), Rootfs: text(c, "rootfs"), Writable: on(c, "rw"), Hostname: text(c, "hostname"),
		Env: texts(c, "env"), Cwd: text(c, "cwd"), Network: text(c, "network"), Volumes: texts(c, "volume"),
		Memory: text(c, "memory"), CPUs: text(c, "cpus"),
	}
	if given(c, "tty") {
		terminal := on(c, "tty")
		o.Terminal = &terminal
	}
	if given(c, "pids") {
		pids := value[int64](c, "pids")
		o.Pids = &pids
	}
	if user := text(c, "user"); user != "" {
		uid, gid, err := parseUser(user)
		if err != nil {
			return nil, err
		}
		o.UID, o.GID = &uid, gid
	}
	return o, nil
}

// programKey is the place of the program in the metadata of the root command.
const programKey = "program"

// program is the program, and its arguments, that the command line of run, explain or spec ends with.
func program(c *cli.Command) []string {
	p, _ := c.Root().Metadata[programKey].([]string)
	return p
}

// cutProgram cuts the program off the command line of run, explain and spec before that is parsed: its options are its own.
// It begins behind "--", or with the first argument that has a slash, which no container ID has.
func cutProgram(root *cli.Command, args []string) []string {
	i := skipFlags(root, args, 1)
	if i >= len(args) || args[i] != "run" && args[i] != "explain" && args[i] != "spec" {
		return args
	}
	command := root.Command(args[i])
	for i++; i < len(args); i++ {
		i = skipFlags(command, args, i)
		if i >= len(args) {
			break
		}
		if args[i] == "--" || strings.Contains(args[i], "/") {
			root.Metadata = map[string]any{programKey: slices.Clone(args[i:])}
			if args[i] == "--" {
				root.Metadata[programKey] = slices.Clone(args[i+1:])
			}
			return args[:i]
		}
	}
	return args
}

// skipFlags returns the place of the first argument from i on that is neither a flag nor the value of one. Behind a
// flag that is not known, help among them, there is nothing to find.
func skipFlags(c *cli.Command, args []string, i int) int {
	for i < len(args) && len(args[i]) > 1 && args[i][0] == '-' && args[i] != "--" {
		name, _, hasValue := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		known := slices.IndexFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
		if known < 0 {
			return len(args)
		}
		_, isBool := c.Flags[known].(*cli.BoolFlag)
		if i++; !hasValue && !isBool {
			i++
		}
	}
	return i
}
