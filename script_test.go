package main

import (
	"fmt"
	"os"
	"testing"

	"mydocker/test/rig"
)

var binaries *rig.Binaries

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mydocker-bin")
	if err == nil {
		defer os.RemoveAll(dir)
		// Users of containers have to reach the binaries.
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		binaries, err = rig.Build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func TestScripts(t *testing.T) { rig.Run(t, binaries, "testdata/script") }
