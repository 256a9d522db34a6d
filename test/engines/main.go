// engines runs container engines (containerd, Docker, Podman, Buildah, Kubernetes' CRI) on mydocker and, to compare, on
// runc and crun: scenarios of testdata, each engine in a sandbox of its own. It prints a table and fails where mydocker
// fails what another runtime passes, or where nothing else passes or was tried.
//
//	go run ./test/engines -runtime mydocker,runc -engine podman,ctr -run 'pause|exec'
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) > 1 && stages[os.Args[1]] != nil {
		if err := stages[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "engines:", os.Args[1]+":", err)
			os.Exit(1)
		}
		return
	}
	runtimes := flag.String("runtime", "mydocker,runc,crun", "runtimes, by name or path; the first is judged")
	names := flag.String("engine", "", "engines (default: all that are installed)")
	pattern := flag.String("run", "", "only the scenarios that match")
	flag.Parse()
	ok, err := run(strings.Split(*runtimes, ","), *names, *pattern)
	if err != nil {
		fmt.Fprintln(os.Stderr, "engines:", err)
	}
	if !ok || err != nil {
		os.Exit(1)
	}
}

// run drives all engines with all runtimes, and says whether the first of these is as good as the others.
func run(runtimes []string, names, pattern string) (bool, error) {
	if _, err := regexp.Compile(pattern); err != nil {
		return false, err
	}
	if os.Geteuid() != 0 {
		return false, fmt.Errorf("engines and their sandboxes need root")
	}
	t := &table{}
	for _, e := range engines {
		if names != "" && !slices.Contains(strings.Split(names, ","), e.name) {
			continue
		}
		version, err := e.installed()
		if err != nil {
			t.absent = append(t.absent, e.name+": "+err.Error())
			continue
		}
		for _, runtime := range runtimes {
			path, err := find(runtime)
			if err != nil {
				t.absent = append(t.absent, fmt.Sprintf("%s with %s: %v", e.name, runtime, err))
				continue
			}
			results, err := sandbox(e.name, path, pattern)
			if err != nil {
				return false, fmt.Errorf("%s with %s: %w", e.name, runtime, err)
			}
			t.add(e.name, version, filepath.Base(runtime), results)
		}
	}
	t.print(os.Stdout)
	return t.judge(os.Stdout, filepath.Base(runtimes[0])), nil
}

// find makes a runtime's path absolute.
func find(runtime string) (string, error) {
	path, err := exec.LookPath(runtime)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}
