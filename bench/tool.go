package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// inBackground is the first number of the containers that stay for a whole section.
const inBackground = 10

// tool is a runtime that is measured.
type tool struct {
	name, path, root string
	made             []string // IDs of containers that are there
}

// command is the command line of a command of the runtime.
func (t *tool) command(args ...string) []string {
	return append([]string{t.path, "--root", t.root}, args...)
}

// findTools looks the runtimes up. A peer that is not there is said and left out.
func (b *bench) findTools() error {
	all := []*tool{{name: "mydocker", path: b.mydocker}}
	for peer := range strings.SplitSeq(b.peers, ",") {
		name, path, named := strings.Cut(peer, "=")
		if !named {
			path = name
		}
		all = append(all, &tool{name: name, path: path})
	}
	for _, t := range all {
		path, err := exec.LookPath(t.path)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			if t.name == "mydocker" {
				return err
			}
			b.say("%s is skipped: %v", t.name, err)
			continue
		}
		t.root = filepath.Join(b.state, t.name)
		if err := os.Mkdir(t.root, 0o711); err != nil {
			return err
		}
		if t.path, err = b.copyOf(path, t.name); err != nil {
			return err
		}
		b.tools = append(b.tools, t)
	}
	return nil
}

// copyOf copies a binary. To run one takes up to 7 % more or less CPU by the size of the pieces in which the page cache has it, which
// depends on how it was written and on what memory was free then: all are written alike.
func (b *bench) copyOf(path, name string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	_ = os.WriteFile("/proc/sys/vm/compact_memory", []byte("1"), 0) // or the pieces are as small as the memory is scattered
	dir := filepath.Join(b.dir, "bin", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	to := filepath.Join(dir, filepath.Base(path)) // runtimes may look at what they are called
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return "", err
	}
	for piece := range slices.Chunk(text, 64<<10) {
		if _, err := f.Write(piece); err != nil {
			return "", errors.Join(err, f.Close())
		}
	}
	return to, f.Close()
}

// id is the name of the tool's container number n, and of its cgroup.
func (b *bench) id(t *tool, n int) string {
	return b.prefix + "-" + t.name + "-" + strconv.Itoa(n)
}

// remove ends and deletes a container, not measured.
func (b *bench) remove(t *tool, id string) error {
	m := b.newMeter()
	if err := m.run(t.command("delete", "--force", id)); err != nil {
		return err
	}
	for i, made := range t.made {
		if made == id {
			t.made = append(t.made[:i], t.made[i+1:]...)
			break
		}
	}
	m.sweep()
	return nil
}

// removeAll removes the containers that the tool has; what cannot be removed is said.
func (b *bench) removeAll(t *tool) {
	for len(t.made) > 0 {
		id := t.made[len(t.made)-1]
		t.made = t.made[:len(t.made)-1]
		if err := b.remove(t, id); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
}

// clear removes what a command that failed may have left of the containers that are made anew in each round.
func (b *bench) clear(t *tool) {
	if t == nil {
		return
	}
	for n := range inBackground {
		if id := b.id(t, n); !slices.Contains(t.made, id) {
			_ = b.remove(t, id)
		}
	}
}

// background runs the container number n, whose program waits, and leaves it there.
func (b *bench) background(t *tool, n int, spec document) error {
	id := b.id(t, n)
	bundle, err := b.bundle(id, spec)
	if err != nil {
		return err
	}
	m := b.newMeter()
	t.made = append(t.made, id)
	return m.run(t.command("run", "--detach", "--bundle", bundle, id))
}
