package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mydocker/test/rig"
)

// scriptLimit is how long a scenario may take.
const scriptLimit = 4 * time.Minute

// drive starts the engine, runs the scenarios and looks for what is left. Each result is a line.
func drive(args []string) error {
	e, runtimePath := byName(args[0]), args[1]
	pattern, err := regexp.Compile(args[2])
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for _, variable := range e.environ() {
		name, value, _ := strings.Cut(variable, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	stop, err := e.start(runtimePath)
	if err != nil {
		stop()
		return out.Encode(result{"start", fail, err.Error()})
	}
	scripts, err := filepath.Glob(filepath.Join("test/engines/testdata", e.scripts, "*.txtar"))
	if err != nil {
		return err
	}
	before := mounts()
	for _, file := range scripts {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if !pattern.MatchString(name) {
			continue
		}
		r := result{Scenario: name, Outcome: skip, Log: e.lacks[name]}
		if r.Log == "" {
			r = e.script(name, file, runtimePath)
		}
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	left := leftovers(e, before)
	stop()
	left = append(left, leftProcesses()...)
	last := result{Scenario: "nothing left", Outcome: pass}
	if len(left) > 0 {
		last.Outcome, last.Log = fail, strings.Join(left, "\n")+"\n"
	}
	return out.Encode(last)
}

func byName(name string) *engine {
	for _, e := range engines {
		if e.name == name {
			return e
		}
	}
	return nil
}

// script runs one scenario.
func (e *engine) script(name, file, runtimePath string) result {
	t := &scenario{}
	t.Run(name, func(testscript.T) {
		testscript.RunT(t, testscript.Params{
			Files:               []string{file},
			RequireExplicitExec: true,
			Deadline:            time.Now().Add(rig.Scale(scriptLimit)),
			Setup: func(env *testscript.Env) error {
				env.Vars = append(env.Vars, e.environ()...)
				env.Setenv("RUNTIME", runtimePath)
				env.Setenv("ID", name)
				return os.Chmod(env.WorkDir, 0o755)
			},
			Condition: e.condition,
			Cmds:      rig.Commands(),
		})
	})
	r := result{Scenario: name, Outcome: t.outcome}
	if t.outcome == fail {
		r.Log = t.log.String() + e.logs()
		if out, err := e.shell(e.reset).CombinedOutput(); err != nil {
			r.Log += fmt.Sprintf("%s: %v\n%s", e.reset, err, out)
		}
	}
	return r
}

// condition adds the names of the engines to the rig's conditions, and whether there is a CRIU that this kernel suits.
func (e *engine) condition(c string) (bool, error) {
	if c == "criu" {
		return e.shell("criu check").Run() == nil, nil
	}
	if byName(c) != nil {
		return e.name == c, nil
	}
	return rig.Condition(c)
}

// scenario is testscript's T, for one script.
type scenario struct {
	log     strings.Builder
	outcome string
}

const (
	pass = "pass"
	fail = "fail"
	skip = "skip"
)

// stopped is what ends a script early.
type stopped struct{}

func (t *scenario) Run(_ string, f func(testscript.T)) {
	t.outcome = pass
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(stopped); !ok {
				panic(p)
			}
		}
	}()
	f(t)
}

func (t *scenario) FailNow() {
	t.outcome = fail
	panic(stopped{})
}

func (t *scenario) Skip(args ...any) {
	t.outcome = skip
	t.Log(args...)
	panic(stopped{})
}

func (t *scenario) Fatal(args ...any) {
	t.Log(args...)
	t.FailNow()
}

func (t *scenario) Log(args ...any) { fmt.Fprintln(&t.log, args...) }

func (t *scenario) Parallel() {}

func (t *scenario) Verbose() bool { return false }
