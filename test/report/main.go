// report runs `go test -json`, prints what failed and a count, and fails on a skip that is not expected. A test that
// fails is run once more by itself: one that then passes is reported as flaky, and does not fail the run.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"sort"
	"strings"
	"syscall"
)

// event is a line of `go test -json` (go doc test2json).
type event struct{ Action, Package, Test, Output, ImportPath string }

type results struct {
	output         map[string]*strings.Builder // by test, "package test"
	failed         map[string]bool
	skipped        []string
	passed         int
	brokenPackages map[string]bool
}

func main() {
	skips := flag.String("skips", "", "file of expected skips")
	flag.Parse()
	// Tests compare modes, and execute themselves as users who have to reach go test's directory.
	syscall.Umask(0o022)
	if err := run(*skips, flag.Args()); err != nil {
		fmt.Println("report:", err)
		os.Exit(1)
	}
}

func run(skips string, args []string) error {
	r, err := test(args)
	if err != nil {
		return err
	}
	flaky, failed := 0, 0
	for _, name := range leaves(r.failed) {
		if again(args, name) {
			flaky++
			fmt.Printf("FLAKY %s: failed, then passed by itself:\n%s", name, r.output[name])
			continue
		}
		failed++
		fmt.Printf("FAIL %s\n%s", name, r.output[name])
	}
	for p := range r.brokenPackages {
		if !hasTest(r.failed, p) {
			failed++
			fmt.Printf("FAIL %s\n%s", p, r.output[p+" "])
		}
	}
	unexpected, err := r.reportSkips(skips)
	if err != nil {
		return err
	}
	fmt.Printf("%d passed, %d failed, %d flaky, %d skipped\n", r.passed, failed, flaky, len(r.skipped))
	if failed > 0 || unexpected > 0 {
		return fmt.Errorf("%d failed, %d skips that %s does not expect", failed, unexpected, skips)
	}
	if r.passed == 0 {
		return fmt.Errorf("no test has run")
	}
	return nil
}

func test(args []string) (*results, error) {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stdout
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &results{output: map[string]*strings.Builder{}, failed: map[string]bool{}, brokenPackages: map[string]bool{}}
	r.read(out)
	_ = cmd.Wait()
	return r, nil
}

func (r *results) read(out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			fmt.Print(string(line))
			continue
		}
		r.take(&e)
	}
}

func (r *results) take(e *event) {
	if e.ImportPath != "" { // what the compiler says
		fmt.Print(e.Output)
		return
	}
	name := e.Package + " " + e.Test
	switch e.Action {
	case "output":
		if r.output[name] == nil {
			r.output[name] = &strings.Builder{}
		}
		r.output[name].WriteString(e.Output)
		if e.Test == "" && (strings.HasPrefix(e.Output, "ok") || strings.HasPrefix(e.Output, "FAIL\t")) {
			fmt.Print(e.Output)
		}
	case "fail":
		if e.Test == "" {
			r.brokenPackages[e.Package] = true
		} else {
			r.failed[name] = true
		}
	case "skip":
		if e.Test != "" {
			r.skipped = append(r.skipped, name)
		}
	case "pass":
		if e.Test != "" {
			r.passed++
		}
	}
}

// leaves are the failed tests without those that failed because of a subtest.
func leaves(failed map[string]bool) []string {
	var names []string
	for name := range failed {
		parent := false
		for other := range failed {
			parent = parent || strings.HasPrefix(other, name+"/")
		}
		if !parent {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

func hasTest(failed map[string]bool, pkg string) bool {
	for name := range failed {
		if strings.HasPrefix(name, pkg+" ") {
			return true
		}
	}
	return false
}

// again runs one test by itself, and tells whether it passes.
func again(args []string, name string) bool {
	pkg, test, _ := strings.Cut(name, " ")
	var flags []string
	for _, a := range args {
		if !strings.HasPrefix(a, "./") {
			flags = append(flags, a)
		}
	}
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	flags = append(flags, "-run", strings.Join(parts, "/"), pkg)
	return exec.Command("go", append([]string{"test"}, flags...)...).Run() == nil
}

// expectation is a line of the file of expected skips.
type expectation struct {
	pattern *regexp.Regexp
	why     string
}

// reportSkips prints the skipped tests, each with the reason that the file has, and counts those that no line matches.
func (r *results) reportSkips(file string) (unexpected int, err error) {
	if file == "" {
		return 0, nil
	}
	expected, err := readExpectations(file)
	if err != nil {
		return 0, err
	}
	sort.Strings(r.skipped)
	for _, s := range r.skipped {
		_, test, _ := strings.Cut(s, " ")
		i := slices.IndexFunc(expected, func(e expectation) bool { return e.pattern.MatchString(test) })
		if i < 0 {
			unexpected++
			fmt.Printf("UNEXPECTED SKIP %s\n%s", s, r.output[s])
			continue
		}
		fmt.Printf("skipped %s: %s\n", s, expected[i].why)
	}
	return unexpected, nil
}

func readExpectations(file string) ([]expectation, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var expected []expectation
	for line := range strings.Lines(string(b)) {
		name, why, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, err := regexp.Compile("^(?:" + name + ")$")
		if err != nil {
			return nil, err
		}
		expected = append(expected, expectation{pattern, why})
	}
	return expected, nil
}
