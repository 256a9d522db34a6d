package logs

import (
	"bytes"

	"github.com/sirupsen/logrus"

	"mydocker/internal/fault"
	"mydocker/internal/stdio"
)

// Control sequences of terminals (ECMA-48, SGR).
const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	red   = "\x1b[1;31m"
	amber = "\x1b[1;33m"
	plain = "\x1b[0m"
)

// Color is a way of writing at a terminal.
type Color string

// The colors of what is wrong, of what is doubtful, and of what is said besides.
const (
	Red   Color = red
	Amber Color = amber
	Dim   Color = dim
	Bold  Color = bold
)

// Painter colors text where f is a terminal.
func Painter(f stdio.File) func(Color, string) string {
	if !f.Terminal() {
		return func(_ Color, s string) string { return s }
	}
	return func(c Color, s string) string { return string(c) + s + plain }
}

// text is the format of --log-format text: key=value lines for programs, words for a person at a terminal.
type text struct {
	logfmt  *logrus.TextFormatter
	checked bool
	person  bool
}

// Format implements logrus.Formatter.
func (t *text) Format(e *logrus.Entry) ([]byte, error) {
	if !t.checked {
		t.checked = true
		t.person = e.Logger.Out == stdio.Err && stdio.Err.Terminal()
	}
	if t.person {
		return words(e), nil
	}
	if t.logfmt == nil {
		t.logfmt = &logrus.TextFormatter{DisableColors: true}
	}
	return t.logfmt.Format(e)
}

func words(e *logrus.Entry) []byte {
	var b bytes.Buffer
	color := bold
	switch e.Level {
	case logrus.ErrorLevel, logrus.FatalLevel, logrus.PanicLevel:
		color = red
	case logrus.WarnLevel:
		color = amber
	}
	b.WriteString(color + e.Level.String() + ":" + plain + " " + e.Message + "\n")
	if code, _ := e.Data["code"].(string); code != "" {
		field, _ := e.Data["field"].(string)
		hint, _ := e.Data["hint"].(string)
		b.WriteString(second(&fault.Error{Code: fault.Code(code), Field: field, Hint: hint}))
	}
	return b.Bytes()
}
