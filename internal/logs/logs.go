// Package logs sets up where log lines go and how they look, and writes the last error of a command.
package logs

import (
	"fmt"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/stdio"
)

// Options are what the global flags say about the log.
type Options struct {
	Debug  bool
	File   string // "" is standard error
	Format string // "text" or "json"
}

// toFile says that the log is not standard error.
var toFile bool

// Setup directs the log. Until it is called, lines go to standard error as text. An error leaves that as it is, but
// for what has been set before.
func Setup(o Options) error {
	logrus.SetOutput(stdio.Err)
	if o.Debug {
		logrus.SetLevel(logrus.DebugLevel)
	}
	switch o.Format {
	case "json":
		logrus.SetFormatter(&logrus.JSONFormatter{})
	case "text":
		logrus.SetFormatter(&text{})
	default:
		logrus.SetFormatter(&text{})
		return fault.New(fault.Usage, "", fmt.Errorf("invalid log-format: %s", o.Format))
	}
	if o.File == "" {
		return nil
	}
	// A descriptor and no os.File: the poller of the Go runtime, which a regular file has no use for, is several
	// system calls.
	fd, err := unix.Open(o.File, unix.O_CREAT|unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC|unix.O_NOCTTY, 0o644)
	if err != nil {
		return fault.New(fault.Usage, "", fmt.Errorf("open log %s: %w", o.File, err))
	}
	logrus.SetOutput(stdio.File(fd))
	toFile = true
	return nil
}

// Error writes the error that ends a command: to the log, with what is known of its cause, and when that is a file, to
// standard error too. The command's name is the phase of an error that says no nearer one.
func Error(err error, command string) {
	facts := known(err, command)
	entry(&facts).Error(err.Error())
	if toFile {
		_, _ = stdio.Err.WriteString(err.Error() + "\n")
		if stdio.Err.Terminal() {
			_, _ = stdio.Err.WriteString(second(&facts))
		}
	}
}

// Told writes an error to the log that standard error has the text of already: init has written it there. Where that is
// the log, too, it lacks what is known of the cause, which a person gets as a second line.
func Told(err error, command string) {
	facts := known(err, command)
	_, words := logrus.StandardLogger().Formatter.(*text)
	switch {
	case toFile || !words:
		entry(&facts).Error(err.Error())
	case stdio.Err.Terminal():
		_, _ = stdio.Err.WriteString(second(&facts))
	}
}

// Warn writes a warning with what is known of its cause.
func Warn(err error, command string) {
	facts := known(err, command)
	entry(&facts).Warn(err.Error())
}

// known are the facts of an error, with a code and a phase in any case.
func known(err error, command string) fault.Error {
	facts := fault.Of(err)
	facts.Code = fault.Classify(err)
	if facts.Hint == "" && facts.Expected != "" {
		facts.Hint = "expected is " + facts.Expected
	}
	if facts.Phase == "" {
		facts.Phase = fault.Phase(command)
		if facts.Code == fault.Usage {
			facts.Phase = fault.Arguments
		}
	}
	return facts
}

// entry is a log line with the facts that are known.
func entry(facts *fault.Error) *logrus.Entry {
	e := logrus.NewEntry(logrus.StandardLogger())
	for _, fact := range [...]struct{ key, value string }{
		{"code", string(facts.Code)}, {"phase", string(facts.Phase)}, {"step", facts.Step}, {"field", facts.Field},
		{"path", facts.Path}, {"errno", unix.ErrnoName(facts.Errno)}, {"hint", facts.Hint},
	} {
		if fact.value != "" {
			e.Data[fact.key] = fact.value
		}
	}
	return e
}

// second is the line that a person gets below the error.
func second(facts *fault.Error) string {
	line := dim + string(facts.Code)
	if facts.Field != "" {
		line += " " + facts.Field
	}
	if facts.Hint != "" {
		line += ": " + facts.Hint
	}
	return line + plain + "\n"
}
