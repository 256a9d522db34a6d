package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// memory is what a container's init holds while it waits to be started, and the peak of the commands.
func (b *bench) memory() error {
	b.say("\n### Memory, KiB\n\n| | init waiting, PSS | init waiting, private | create, peak RSS | run, peak RSS |\n|---|---|---|---|---|")
	for _, t := range b.tools {
		if err := b.interrupted(); err != nil {
			return err
		}
		pss, private, err := b.waiting(t)
		if err != nil {
			b.say("| %s | – %v | | | |", t.name, err)
			if t.name == "mydocker" {
				b.problems = append(b.problems, "memory: "+err.Error())
			}
			continue
		}
		create, run := "–", "–"
		if b.peak != "" {
			create, err = b.peaks(t, "create")
			if err == nil {
				run, err = b.peaks(t, "run")
			}
			if err != nil {
				return err
			}
		}
		b.say("| %s | %d | %d | %s | %s |", t.name, pss, private, create, run)
	}
	return nil
}

// waiting creates a container and reads what its init holds.
func (b *bench) waiting(t *tool) (pss, private int, err error) {
	id := b.id(t, 0)
	bundle, err := b.bundle(id, defaultSpec("/bin/true"))
	if err != nil {
		return 0, 0, err
	}
	pidFile := filepath.Join(b.dir, "pid")
	m := b.newMeter()
	t.made = append(t.made, id)
	if err := m.run(t.command("create", "--bundle", bundle, "--pid-file", pidFile, id)); err != nil {
		return 0, 0, err
	}
	pid, err := pidIn(pidFile)
	if err != nil {
		return 0, 0, err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, _ := strconv.Atoi(f[1])
		switch f[0] {
		case "Pss:":
			pss = n
		case "Private_Clean:", "Private_Dirty:":
			private += n
		}
	}
	return pss, private, b.remove(t, id)
}

// peaks is the median of the largest resident set in a few goes of a command. The set is that of the largest of its
// processes.
func (b *bench) peaks(t *tool, command string) (string, error) {
	id := b.id(t, 0)
	bundle, err := b.bundle(id, defaultSpec("/bin/true"))
	if err != nil {
		return "", err
	}
	var all []int
	for range min(b.rounds, 9) {
		kib, err := b.peakOf(t.command(command, "--bundle", bundle, id))
		if err != nil {
			return "", err
		}
		all = append(all, kib)
		if command == "create" {
			if err := b.remove(t, id); err != nil {
				return "", err
			}
		}
	}
	slices.Sort(all)
	return strconv.Itoa(all[len(all)/2]), nil
}

func (b *bench) peakOf(argv []string) (int, error) {
	path := filepath.Join(b.dir, "kib")
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	m := b.newMeter()
	if _, err := m.output(append([]string{b.peak}, argv...), f); err != nil {
		return 0, err
	}
	return pidIn(path)
}
