// Package logs sets up where log lines go and how they look, and writes the last error of a command.
package logs

import (
	"fmt"
	"io"

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

// Error writes the error that ends the command: to the log, with what is known of its cause, and when that is a
// file, to standard error too.
func Error(err error) {
	entry := logrus.NewEntry(logrus.StandardLogger())
	facts := fault.Of(err)
	for key, value := range map[string]string{"code": string(facts.Code), "field": facts.Field, "hint": facts.Hint} {
		if value != "" {
			entry.Data[key] = value
		}
	}
	entry.Error(err.Error())
	if toFile {
		_, _ = stdio.Err.WriteString(err.Error() + "\n")
		writeHint(stdio.Err, facts.Hint, stdio.Err.Terminal())
	}
}

// writeHint writes the hint on a line of its own, for a person.
func writeHint(w io.Writer, hint string, terminal bool) {
	if hint != "" && terminal {
		_, _ = io.WriteString(w, dim+"hint: "+hint+plain+"\n")
	}
}
