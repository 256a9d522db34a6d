// mydocker is an OCI container runtime: it makes a container from a bundle, in runc's place or by hand.

//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"mydocker/internal/container"
	"mydocker/internal/fault"
	"mydocker/libinit"
)

// name is what the program calls itself.
const name = "mydocker"

// version and commit are set by the linker.
var (
	version = "0.1.0"
	commit  = ""
)

func main() {
	// What runs inside is dispatched before anything of the command line is touched.
	if os.Args[0] == libinit.Name {
		os.Exit(libinit.Main(os.Args))
	}
	// A command is over before a collection would pay.
	debug.SetGCPercent(-1)
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
	root := app()
	err := root.Run(context.Background(), cutProgram(root, args))
	if err == nil {
		return 0
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
	}
	report(err)
	return code
}

// app is the command line.
func app() *cli.Command {
	return &cli.Command{
		Name:        name,
		Usage:       "Open Container Initiative runtime",
		Description: "Runs the container of a bundle (a config.json and a root filesystem), or makes one of any directory.",
		HideVersion: true,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "debug", Usage: "log what is done, too", Local: true},
			&cli.StringFlag{Name: "log", Usage: "write the log to `FILE`", Local: true, TakesFile: true},
			&cli.StringFlag{Name: "log-format", Usage: "format of the log: text or json", Value: "text", Local: true},
			&cli.StringFlag{Name: "root", Usage: "directory of the containers' states", DefaultText: "/run/mydocker", Local: true, TakesFile: true},
			&cli.BoolFlag{Name: "systemd-cgroup", Usage: "have systemd make the cgroups; cgroupsPath is then \"slice:prefix:name\"", Local: true},
			&cli.StringFlag{Name: "rootless", Usage: "go on where the caller may not use cgroups: true, false or auto", Value: "auto", Local: true},
			&cli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "print the version", Local: true},
		},
		Commands: []*cli.Command{
			createCommand(), deleteCommand(), eventsCommand(), execCommand(), killCommand(), listCommand(),
			pauseCommand(), psCommand(), resumeCommand(), runCommand(), specCommand(), startCommand(), stateCommand(), updateCommand(),
		},
		Before: setUpLog,
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Bool("version") {
				return printVersion(c)
			}
			if c.Args().Present() {
				return &status{code: 3, err: fault.New(fault.Usage, "", fmt.Errorf("No help topic for '%s'", c.Args().First()))} //nolint:staticcheck // known text
			}
			return cli.ShowAppHelp(c)
		},
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
}

func printVersion(c *cli.Command) error {
	_, err := fmt.Fprintf(c.Root().Writer, "%s version %s\ncommit: %s\nspec: %s\ngo: %s\n", name, version, commit, specs.Version, runtime.Version())
	return err
}

// setUpLog points the log where the flags say.
func setUpLog(ctx context.Context, c *cli.Command) (context.Context, error) {
	root := c.Root()
	if root.Bool("debug") {
		logrus.SetLevel(logrus.DebugLevel)
	}
	if path := root.String("log"); path != "" {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|unix.O_CLOEXEC, 0o644)
		if err != nil {
			return ctx, fault.New(fault.Usage, "", err)
		}
		logrus.SetOutput(f)
	}
	switch format := root.String("log-format"); format {
	case "text":
	case "json":
		logrus.SetFormatter(&logrus.JSONFormatter{})
	default:
		return ctx, fault.New(fault.Usage, "", errors.New("invalid log-format: "+format))
	}
	return ctx, nil
}

// report tells an error to the log, with what is known of it as extra keys, and to a person.
func report(err error) {
	facts := fault.Of(err)
	entry := logrus.NewEntry(logrus.StandardLogger())
	for key, value := range map[string]string{"code": string(facts.Code), "field": facts.Field, "hint": facts.Hint} {
		if value != "" {
			entry = entry.WithField(key, value)
		}
	}
	terminal := isTerminal(os.Stderr)
	if logrus.StandardLogger().Out != os.Stderr {
		entry.Error(err)
		fmt.Fprintln(os.Stderr, err)
	} else if _, text := logrus.StandardLogger().Formatter.(*logrus.TextFormatter); text && terminal {
		logrus.Error(err)
	} else {
		entry.Error(err)
		return
	}
	if terminal && facts.Hint != "" {
		fmt.Fprintf(os.Stderr, "\x1b[2mhint: %s\x1b[0m\n", facts.Hint)
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// arguments checks how many arguments a command has been given.
func arguments(c *cli.Command, n int) error {
	if c.Args().Len() == n {
		return nil
	}
	return fault.New(fault.Usage, "", fmt.Errorf("%s: %q requires exactly %d argument(s)", name, c.Name, n))
}

// atLeast does the same for commands that take a program's arguments, too.
func atLeast(c *cli.Command, n int) error {
	if c.Args().Len() >= n {
		return nil
	}
	return fault.New(fault.Usage, "", fmt.Errorf("%s: %q requires a minimum of %d argument(s)", name, c.Name, n))
}

// store is where the flags say that the containers are.
func store(c *cli.Command) (*container.Store, error) {
	root := c.Root()
	s := &container.Store{Root: root.String("root"), Systemd: root.Bool("systemd-cgroup"), Debug: root.Bool("debug")}
	switch mode := root.String("rootless"); mode {
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
