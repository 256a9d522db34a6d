// Package progress tells a person at a terminal what a command waits for.
package progress

import (
	"fmt"
	"time"

	"mydocker/internal/stdio"
)

// patience is how long work may take without a word: most does not, and is not to flicker.
const patience = time.Second

// clear goes to the beginning of the line and erases it (ECMA-48, EL).
const clear = "\r\x1b[K"

// Start says on standard error what is waited for, and for how long, once that takes more than a second. It does nothing
// where standard error is no terminal. stop takes the line away; what is waited for must not write to the terminal
// before that.
func Start(what func() string) (stop func()) {
	if !stdio.Err.Terminal() {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		show(end, what)
	}()
	return func() {
		close(end)
		<-ended
	}
}

func show(end <-chan struct{}, what func() string) {
	begin := time.Now()
	tick := time.NewTimer(patience)
	defer tick.Stop()
	text := ""
	for {
		select {
		case <-end:
			if text != "" {
				_, _ = stdio.Err.WriteString(clear)
			}
			return
		case <-tick.C:
			if text == "" {
				text = what()
			}
			_, _ = fmt.Fprintf(stdio.Err, "%s%s … %d s", clear, text, int(time.Since(begin).Seconds()))
			tick.Reset(time.Second)
		}
	}
}
