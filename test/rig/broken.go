package rig

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// fact is what is known of an error: a finding of check, or a line of the log.
type fact struct{ Level, Code, Field, Hint, Expected string }

// broken DIR CODE FIELD HINT [PATH=VALUE…] expects of the bundle, with these values, that check finds it wrong with this
// code, field and (as a pattern) hint, and that run fails with the same ones and leaves nothing. The bundle is as before
// then. A FIELD of "-" is none.
func broken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: broken DIR CODE FIELD HINT [PATH=VALUE...]")
	}
	dir := ts.MkAbs(args[0])
	want := fact{Code: args[1], Field: strings.TrimPrefix(args[2], "-"), Hint: args[3]}
	name := filepath.Join(dir, "config.json")
	config, readErr := os.ReadFile(name)
	if len(args) > 4 {
		change(ts, dir, args[4:])
	}
	checkFinds(ts, dir, want)
	runFails(ts, dir, want)
	if readErr == nil {
		ts.Check(os.WriteFile(name, config, 0o644))
	}
}

func checkFinds(ts *testscript.TestScript, dir string, want fact) {
	code := 0
	if err := ts.Exec("md", "check", "-b", dir, "--format", "json"); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	var report struct{ Findings []fact }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &report))
	for _, f := range report.Findings {
		if f.Level == "wrong" && f.same(ts, want) {
			if code != 2 {
				ts.Fatalf("exit code %d, want 2", code)
			}
			return
		}
	}
	ts.Fatalf("check does not find %+v", want)
}

func runFails(ts *testscript.TestScript, dir string, want fact) {
	log := ts.MkAbs("broken.log")
	_ = os.Remove(log)
	id := ts.Getenv("ID")
	if err := ts.Exec("md", "--log", log, "--log-format", "json", "run", "-b", dir, id); err == nil {
		ts.Fatalf("run does not fail")
	}
	lines := strings.Split(strings.TrimSpace(ts.ReadFile(log)), "\n")
	var got fact
	ts.Check(json.Unmarshal([]byte(lines[len(lines)-1]), &got))
	if got.Level != "error" || !got.same(ts, want) {
		ts.Fatalf("run says %+v, want %+v", got, want)
	}
	if _, err := os.Stat(filepath.Join(ts.MkAbs(ts.Getenv("STATE")), id)); err == nil {
		ts.Fatalf("a state directory is left")
	}
}

func (f fact) same(ts *testscript.TestScript, want fact) bool {
	hint, err := regexp.Compile(want.Hint)
	ts.Check(err)
	return f.Code == want.Code && f.Field == want.Field && hint.MatchString(f.Hint+f.Expected)
}
