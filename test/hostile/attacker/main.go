// Attacker is the hostile program of the attacks: in a container it tries to get out, outside it exchanges names of a
// root filesystem while a runtime works in it.
//
//go:debug containermaxprocs=0
package main

import (
	"fmt"
	"os"
)

func main() {
	verbs := map[string]func(args []string) error{
		"true":       func([]string) error { return nil },
		"sleep":      sleep,
		"hold":       hold,
		"exchange":   exchange,
		"race":       race,
		"escape":     escape,
		"fds":        fds,
		"overwrite":  overwrite,
		"trace":      trace,
		"filesystem": filesystem,
		"terminal":   terminal,
		"masks":      masks,
		"show":       show,
		"field":      field,
		"id":         id,
		"devices":    devices,
		"climb":      climb,
		"newproc":    newProc,
		"mountproc":  mountProc,
		"cgroups":    cgroups,
		"keyring":    keyring,
		"environ":    environ,
	}
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "attacker: no such verb")
		os.Exit(2)
	}
	if err := verbs[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "attacker:", err)
		os.Exit(1)
	}
}
