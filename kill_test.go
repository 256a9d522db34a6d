package main

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseSignal(t *testing.T) {
	for s, want := range map[string]unix.Signal{
		"TERM": 15, "SIGTERM": 15, "term": 15, "SigKill": 9, "9": 9, "0": 0, "40": 40, "64": 64, "RTMIN": 34,
		"SIGRTMIN+3": 37, "RTMAX": 64, "RTMAX-1": 63,
	} {
		if got, err := parseSignal(s); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "SIG", "FOO", "-1", "+9", "65", "9 ", "0x9", "RTMIN-1", "RTMAX+1", "RTMIN3", "RTMIN+", "SIG9", "99999999999999999999"} {
		if got, err := parseSignal(s); err == nil {
			t.Errorf("%q became %d", s, got)
		} else if want := "unknown signal " + strconv.Quote(s); err.Error() != want {
			t.Errorf("%q: got %q, want %q", s, err, want)
		}
	}
}

func FuzzSignal(f *testing.F) {
	for _, s := range []string{"TERM", "SIGRTMIN+3", "9", "", "RTMAX--1", "sigſtop"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sig, err := parseSignal(s)
		if err != nil {
			return
		}
		if sig < 0 || sig > lastSignal {
			t.Errorf("%q became %d", s, sig)
		}
		if again, err := parseSignal(strconv.Itoa(int(sig))); err != nil || again != sig {
			t.Errorf("%d as a number: %d, %v", sig, again, err)
		}
		if strings.TrimSpace(s) == "" {
			t.Errorf("%q became %d", s, sig)
		}
	})
}
