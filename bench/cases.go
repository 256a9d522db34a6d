package main

import (
	"os"
	"path/filepath"
	"strconv"
)

// runAction is `run` of a container, from nothing to nothing.
func (b *bench) runAction(name string, spec document) action {
	return action{
		name:    name,
		prepare: func(t *tool) error { _, err := b.bundle(b.id(t, 0), spec); return err },
		do: func(t *tool, m *meter) error {
			id := b.id(t, 0)
			return m.run(t.command("run", "--bundle", filepath.Join(b.dir, "bundle", id), id))
		},
	}
}

// runFloor is runAction of the default spec with further mounts, with the floor beside it.
func (b *bench) runFloor(name string, mounts int) action {
	a := b.runAction(name, b.mountsSpec(mounts))
	argv := append([]string{b.floor, b.rootfs, b.prefix + "-floor", strconv.Itoa(mounts)}, b.v1...)
	a.floor = func(m *meter) error { return m.run(argv) }
	return a
}

// phasesAction is what an engine does: create, start, the program's end, delete.
func (b *bench) phasesAction() action {
	return action{
		name:    "create, start, delete",
		prepare: func(t *tool) error { _, err := b.bundle(b.id(t, 0), defaultSpec("/bin/true")); return err },
		do: func(t *tool, m *meter) error {
			id := b.id(t, 0)
			pidFile := filepath.Join(b.dir, "pid")
			if err := m.run(t.command("create", "--bundle", filepath.Join(b.dir, "bundle", id), "--pid-file", pidFile, id)); err != nil {
				return err
			}
			pid, err := pidIn(pidFile)
			if err == nil {
				err = m.run(t.command("start", id))
			}
			if err == nil {
				_, err = m.wait(pid)
			}
			if err == nil {
				err = m.run(t.command("delete", id))
			}
			return err
		},
	}
}

func (b *bench) containers() error {
	docker, err := b.dockerSpec()
	if err != nil {
		return err
	}
	return b.section("A container",
		b.runFloor("run /bin/true, default spec", 0),
		b.phasesAction(),
		b.runAction("run, Docker's config", docker),
		b.runFloor("run, 100 more mounts", mountPoints),
	)
}

func (b *bench) commands() error {
	there := func(t *tool) error { return b.background(t, inBackground, defaultSpec("/bin/pause")) }
	gone := func(t *tool) error { return b.remove(t, b.id(t, inBackground)) }
	on := func(name string, args func(id string) []string) action {
		return action{
			name: name, prepare: there, finish: gone,
			do: func(t *tool, m *meter) error { return m.run(t.command(args(b.id(t, inBackground))...)) },
		}
	}
	return b.section("Commands on a running container",
		on("exec /bin/true", func(id string) []string { return []string{"exec", id, "/bin/true"} }),
		on("state", func(id string) []string { return []string{"state", id} }),
		on("kill 0", func(id string) []string { return []string{"kill", id, "0"} }),
	)
}

// parallel makes, starts and deletes many containers, some at a time, as a busy engine does.
func (b *bench) parallel() error {
	count, atOnce, rounds := 200, 8, 8
	if b.short {
		count, rounds = 16, 1
	}
	const first = inBackground
	return b.section("In parallel", action{
		name: "create, start, delete, 8 at a time, each", per: count, rounds: rounds,
		prepare: func(t *tool) error {
			for n := range count {
				if _, err := b.bundle(b.id(t, first+n), defaultSpec("/bin/true")); err != nil {
					return err
				}
			}
			return nil
		},
		do: func(t *tool, m *meter) error {
			// Where a step fails, what is there is removed in the end.
			for n := range count {
				t.made = append(t.made, b.id(t, first+n))
			}
			step := func(args ...string) error {
				return m.crowd(count, atOnce, func(n int) []string {
					id := b.id(t, first+n)
					argv := t.command(args...)
					if args[0] == "create" {
						argv = append(argv, filepath.Join(b.dir, "bundle", id))
					}
					return append(argv, id)
				})
			}
			for _, do := range []func() error{
				func() error { return step("create", "--bundle") },
				func() error { return step("start") },
				m.idle,
				func() error { return step("delete") },
			} {
				if err := do(); err != nil {
					return err
				}
			}
			t.made = t.made[:len(t.made)-count]
			return nil
		},
	})
}

// hostMounts is how `run` grows with the mounts of the host.
func (b *bench) hostMounts() error {
	base := filepath.Join(b.dir, "mounts")
	if err := os.Mkdir(base, 0o755); err != nil {
		return err
	}
	made := 0
	defer func() { unmountAll(base, made) }()
	var rows []row
	for _, n := range []int{1, b.many / 10, b.many} {
		for ; made < n; made++ {
			if err := bindSelf(base, made); err != nil {
				return err
			}
		}
		more, err := b.compare(b.runFloor(plural("run, %d more mount% on the host", n), 0))
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	b.table("Growth with the host's mounts", rows)
	return nil
}

// growth is how commands grow with the number of containers.
func (b *bench) growth() error {
	var rows []row
	for _, n := range []int{0, b.many / 10, b.many} {
		for _, t := range b.tools {
			for len(t.made) < n {
				if err := b.interrupted(); err != nil {
					return err
				}
				if err := b.background(t, inBackground+len(t.made), smallSpec()); err != nil {
					return err
				}
			}
		}
		for _, a := range []action{
			b.runAction(plural("run, beside %d container%", n), defaultSpec("/bin/true")),
			b.onOne(n, plural("state, of %d container%", n), func(id string) []string { return []string{"state", id} }),
			b.onOne(n, plural("kill 0, of %d container%", n), func(id string) []string { return []string{"kill", id, "0"} }),
			{
				name: plural("list, %d container%", n), rounds: min(b.rounds, 10),
				do: func(t *tool, m *meter) error { return m.run(t.command("list")) },
			},
		} {
			if a.do == nil {
				continue
			}
			more, err := b.compare(a)
			if err != nil {
				return err
			}
			rows = append(rows, more...)
		}
	}
	b.table("Growth with the number of containers", rows)
	if !b.short {
		b.problems = append(b.problems, slower(rows, b.max)...)
	}
	return nil
}

// onOne is a command on one of n containers; nothing when there are none.
func (b *bench) onOne(n int, name string, args func(id string) []string) action {
	if n == 0 {
		return action{}
	}
	return action{name: name, do: func(t *tool, m *meter) error { return m.run(t.command(args(t.made[n/2])...)) }}
}
