// mydocker is an OCI container runtime: it makes a container from a bundle, in runc's place or by hand.

//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
//go:debug decoratemappings=0
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"mydocker/internal/container"
	"mydocker/internal/entry"
	"mydocker/internal/fault"
	"mydocker/internal/logs"
	"mydocker/internal/stdio"
	"mydocker/internal/trace"
	_ "mydocker/libinit/reexec"
)

// name is what the program calls itself.
const name = "mydocker"

// version and commit are set by the linker.
var (
	version = "0.1.0"
	commit  = ""
)

func main() {
	entry.Ready()
	freeThreads()
	os.Exit(run(os.Args))
}

// status is an exit code that is no error of ours, or one that an error asks for.
type status struct {
	code int
	err  error
}

func (s *status) Error() string {
	if s.err == nil {
		return fmt.Sprintf("exit status %d", s.code)
	}
	return s.err.Error()
}

func (s *status) Unwrap() error { return s.err }

// exitWith makes the exit code of a process ours.
func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return &status{code: code}
}

func run(args []string) int {
	root := app(args)
	args = helpFirst(root, args)
	// To offer help for each command takes longer than to read its arguments.
	root.HideHelp = len(root.Commands) == 1 && !slices.ContainsFunc(args, asksHelp)
	err := root.Run(context.Background(), cutProgram(root, args))
	endTrace()
	if err == nil {
		return 0
	}
	if errors.Is(err, stdio.ErrNoReader) {
		return 128 + int(unix.SIGPIPE)
	}
	code := 1
	var s *status
	if errors.As(err, &s) {
		code = s.code
		if s.err == nil {
			return code
		}
	}
	var coded cli.ExitCoder
	if errors.As(err, &coded) {
		code = coded.ExitCode()
		err = fault.New(fault.Usage, "", err) // the library's own: there is no such command
	}
	if !logging {
		// The error came before the command: its flags are wrong, those of the log may be right.
		err = fault.New(fault.Usage, "", err)
		_ = logs.Setup(logOptions(root))
	}
	logs.Error(err, root.Args().First())
	return code
}

// app is the command line. It has all commands only where the arguments name none of them: to make one is to make all
// its flags.
func app(args []string) *cli.Command {
	root := &cli.Command{
		Name:        name,
		Usage:       "Open Container Initiative runtime",
		Description: "Runs the container of a bundle (a config.json and a root filesystem), or makes one of any directory.",
		HideVersion: true,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "debug", Usage: "log what is done, too", Local: true},
			&cli.StringFlag{Name: "log", Usage: "write the log to `FILE`", Local: true, TakesFile: true},
			&cli.StringFlag{Name: "log-format", Usage: "format of the log: text or json", Value: "text", Local: true},
			&cli.StringFlag{Name: "root", Usage: "directory of the containers' states", DefaultText: "/run/" + name + ", or $XDG_RUNTIME_DIR/" + name + " for users", Local: true, TakesFile: true},
			&cli.BoolFlag{Name: "systemd-cgroup", Usage: "have systemd make the cgroups; cgroupsPath is then \"slice:prefix:name\"", Local: true},
			&cli.StringFlag{Name: "trace", Usage: "write where the time goes to `FILE`, for Perfetto or chrome://tracing", Local: true, TakesFile: true},
			&cli.StringFlag{Name: "rootless", Usage: "go on where the caller may not use cgroups: true, false or auto", Value: "auto", Local: true},
			&cli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "print the version", Local: true},
		},
		Writer:         stdio.Out,
		ErrWriter:      stdio.Err,
		OnUsageError:   usageError,
		Before:         setUp,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Action: func(_ context.Context, c *cli.Command) error {
			if on(c, "version") {
				return printVersion(c)
			}
			if c.Args().Present() {
				return unknownCommand(c.Args().First())
			}
			return cli.ShowRootCommandHelp(c)
		},
	}
	if i := skipFlags(root, args, 1); i < len(args) {
		if asked := command(args[i]); asked != nil {
			root.Commands = []*cli.Command{asked()}
		}
	}
	if root.Commands == nil {
		for _, n := range commandNames() {
			root.Commands = append(root.Commands, command(n)())
		}
	}
	cli.HelpPrinter = printHelp
	for _, c := range root.Commands {
		c.OnUsageError = usageError
		c.HideHelpCommand = true
		c.DisableSliceFlagSeparator = true // --env A=1,2 is one variable
	}
	return root
}

func commandNames() []string {
	return []string{
		"check", "checkpoint", "completion", "create", "delete", "events", "exec", "explain", "features", "kill", "list", "pause", "ps",
		"restore", "resume", "run", "spec", "start", "state", "stats", "update",
	}
}

// command is what makes a command, nil for an unknown one.
func command(name string) func() *cli.Command {
	switch name {
	case "check":
		return checkCommand
	case "completion":
		return completionCommand
	case completeName:
		return completeCommand
	case manName:
		return manCommand
	case "checkpoint":
		return checkpointCommand
	case "create":
		return createCommand
	case "delete":
		return deleteCommand
	case "events":
		return eventsCommand
	case "exec":
		return execCommand
	case "explain":
		return explainCommand
	case "features":
		return featuresCommand
	case "kill":
		return killCommand
	case "list":
		return listCommand
	case "pause":
		return pauseCommand
	case "ps":
		return psCommand
	case "restore":
		return restoreCommand
	case "resume":
		return resumeCommand
	case "run":
		return runCommand
	case "spec":
		return specCommand
	case "start":
		return startCommand
	case "state":
		return stateCommand
	case "stats", "top":
		return statsCommand
	case "update":
		return updateCommand
	}
	return nil
}

// usageError shows the help of a command whose flags are wrong. A log for programs is not to be mixed with it.
func usageError(_ context.Context, c *cli.Command, err error, sub bool) error {
	root := c.Root()
	err = plain(err)
	if logOptions(root).Format != "json" {
		_, _ = stdio.Err.WriteString("Incorrect Usage: " + err.Error() + "\n\n")
		args := []string{name, "--help"}
		if sub {
			args = []string{name, c.Name, "--help"}
		}
		helpful := app(args)
		helpful.Writer = stdio.Err
		_ = helpful.Run(context.Background(), args) // of its own: ctx has the command
	}
	err = fault.New(fault.Usage, "", err)
	switch c.Name {
	case "run", "exec", "spec", "explain":
		if strings.Contains(err.Error(), "not defined") && !slices.Contains(os.Args, "--") {
			return fault.Hint(err, "a program and its arguments come behind --")
		}
	}
	return err
}

// plain leaves out which function of Go has refused a value.
func plain(err error) error {
	if text, _, found := strings.Cut(err.Error(), ": time: "); found {
		return errors.New(text + ": it must be a time with its unit, as 5s")
	}
	text, rest, found := strings.Cut(err.Error(), ": strconv.")
	if !found {
		return err
	}
	return errors.New(text + rest[strings.LastIndex(rest, ": "):])
}

func printVersion(c *cli.Command) error {
	_, err := fmt.Fprintf(c.Root().Writer, "%s version %s\ncommit: %s\nspec: %s\ngo: %s\n", name, version, commit, specs.Version, runtime.Version())
	return err
}

// logging says that the log has been set up.
var logging bool

// tracing is the trace of this command, and when it began; nil without --trace.
var (
	tracing *trace.Log
	begin   int64
)

// setUp points the log and the trace where the flags say.
func setUp(ctx context.Context, c *cli.Command) (context.Context, error) {
	logging = true
	if err := awakePoller(); err != nil {
		return ctx, err
	}
	root := c.Root()
	if err := logs.Setup(logOptions(root)); err != nil {
		return ctx, err
	}
	file := text(root, "trace")
	if file == "" {
		return ctx, nil
	}
	var err error
	if tracing, err = trace.Open(file); err != nil {
		return ctx, fault.New(fault.Usage, "", err)
	}
	begin = tracing.Now()
	return ctx, nil
}

// endTrace writes the trace.
func endTrace() {
	if tracing == nil {
		return
	}
	tracing.Name(os.Getpid(), name)
	tracing.Done(name+" "+strings.Join(os.Args[1:], " "), begin)
	if err := tracing.Close(); err != nil {
		logs.Error(err, "trace")
	}
}

func logOptions(root *cli.Command) logs.Options {
	return logs.Options{Debug: on(root, "debug"), File: text(root, "log"), Format: text(root, "log-format")}
}

// arguments checks how many arguments a command has been given.
func arguments(c *cli.Command, n int) error {
	if c.Args().Len() == n {
		return nil
	}
	return wrongArguments(c, notExactly(c, n))
}

func notExactly(c *cli.Command, n int) error {
	return fmt.Errorf("%s: %q requires exactly %d argument(s)", name, c.Name, n)
}

// atLeast does the same for commands that take a program's arguments, too.
func atLeast(c *cli.Command, n int) error {
	if c.Args().Len() >= n {
		return nil
	}
	return wrongArguments(c, fmt.Errorf("%s: %q requires a minimum of %d argument(s)", name, c.Name, n))
}

// wrongArguments is an error of arguments. The hint says what they are.
func wrongArguments(c *cli.Command, err error) error {
	return fault.Hint(fault.New(fault.Usage, "", err), "as in `"+strings.TrimSpace(name+" "+c.Name+" "+c.ArgsUsage)+"`")
}

// store is where the flags say that the containers are.
func store(c *cli.Command) (*container.Store, error) {
	root := c.Root()
	s := &container.Store{Root: text(root, "root"), Systemd: on(root, "systemd-cgroup"), Debug: on(root, "debug"), Trace: tracing}
	switch mode := text(root, "rootless"); mode {
	case "auto", "":
	case "true":
		s.Rootless = container.True
	case "false":
		s.Rootless = container.False
	default:
		return nil, fault.New(fault.Usage, "", fmt.Errorf("invalid --rootless %q: true, false and auto are allowed", mode))
	}
	if s.Root == "" {
		s.Root = defaultRoot()
	}
	absolute, err := filepath.Abs(s.Root)
	if err != nil {
		return nil, err
	}
	s.Root = absolute
	return s, nil
}

// defaultRoot is a place that the caller may write to. In the one of a user's session the sticky bit keeps the
// directory from being cleaned away (XDG Base Directory Specification).
func defaultRoot() string {
	session := os.Getenv("XDG_RUNTIME_DIR")
	if session == "" || container.RootOfHost() {
		return "/run/" + name
	}
	root := filepath.Join(session, name)
	if err := os.MkdirAll(root, 0o700); err == nil {
		_ = os.Chmod(root, os.ModeSticky|0o700)
	}
	return root
}

// load finds the container that the first argument names.
func load(c *cli.Command) (*container.Container, error) {
	s, err := store(c)
	if err != nil {
		return nil, err
	}
	return s.Load(c.Args().First())
}
