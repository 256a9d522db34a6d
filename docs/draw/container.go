package main

import (
	"path/filepath"
	"strings"
)

// document is what explain prints, as far as it is drawn.
type document struct {
	ID, Rootfs string
	Steps      []struct {
		Who, Kind, Text, Field string
		Parts                  []part
	}
}

type part struct{ Text, Field string }

// box is a rectangle with lines and boxes in it.
type box struct {
	title, field string
	fill, stroke string
	lines        []part
	inner        []*box
}

// drawContainer draws what a container is made of, from the outside in: each line with the field that asks for it.
func drawContainer(d *document) string {
	cgroup := &box{title: "cgroup", field: "linux.cgroupsPath", fill: "#fff8c5", stroke: "#d4a72c"}
	spaces := &box{title: "namespaces", field: "linux.namespaces", fill: "#ddf4ff", stroke: "#54aeff"}
	root := &box{title: "root filesystem " + d.Rootfs, field: "root.path", fill: "#dafbe1", stroke: "#4ac26b"}
	process := &box{title: "process", field: "process", fill: "#fbefff", stroke: "#c297ff"}
	cgroup.inner, spaces.inner, root.inner = []*box{spaces}, []*box{root}, []*box{process}
	for i := range d.Steps {
		s := &d.Steps[i]
		line := part{s.Text, s.Field}
		switch s.Kind {
		case "":
			host(s.Text, s.Parts, cgroup, spaces, line)
		case "Hostname", "Domainname", "Sysctls", "Loopback", "Keyring":
			spaces.lines = append(spaces.lines, line)
		case "Root", "AskHooks", "AskLimits", "AwaitLimits", "AskReady", "Wait", "Affinity", "Home", "Lookup", "NullStreams":
		case "Mount", "Bind", "CgroupHierarchies", "CgroupTree", "Devices", "Pivot", "ReadonlyMounts", "ReadonlyPaths", "MaskPaths", "Console":
			root.lines = append(root.lines, line)
		case "Exec":
			process.title, process.field = line.Text, line.Field
			for _, p := range s.Parts {
				if !strings.HasPrefix(p.Text, "environment ") {
					process.lines = append(process.lines, part{p.Text, "linux.seccomp"})
				}
			}
		default:
			process.lines = append(process.lines, line)
		}
	}
	s := &svg{}
	s.text(16, 28, "title", "start", "What a container is made of")
	s.text(16, 46, "dim", "start", "as `mydocker explain` prints it: boxes from the host (outside) to the program (inside), with the fields of config.json")
	height := cgroup.draw(s, 16, 60, boxWidth-32)
	return s.finish(boxWidth, int(60+height+16), "Boxes in boxes: cgroup, namespaces, root filesystem, process")
}

// host sorts what the runtime does from outside.
func host(text string, parts []part, cgroup, spaces *box, line part) {
	switch {
	case strings.HasPrefix(text, "set limits"):
		for _, p := range parts {
			cgroup.lines = append(cgroup.lines, part{filepath.Base(strings.Fields(p.Text)[0]) + strings.TrimPrefix(p.Text, strings.Fields(p.Text)[0]), p.Field})
		}
	case strings.HasPrefix(text, "set device rules"), strings.HasPrefix(text, "set RLIMIT") && line.Field != "":
		cgroup.lines = append(cgroup.lines, line)
	case strings.HasPrefix(text, "unshare"), strings.HasPrefix(text, "clone") && line.Field != "", strings.HasPrefix(text, "setns"), strings.HasPrefix(text, "write uid_map"):
		spaces.lines = append(spaces.lines, line)
	}
}

// Sizes of boxes.
const (
	boxWidth = 960
	lineStep = 18
	padding  = 14
)

// draw draws the box and returns its height.
func (b *box) draw(s *svg, x, y, width float64) float64 {
	height := b.height()
	s.rect(x, y, width, height, b.fill, b.stroke)
	at := y + 20
	s.text(x+padding, at, "head", "start", shorten(b.title, 90))
	s.text(x+width-padding, at, "field", "end", b.field)
	for _, l := range b.lines {
		at += lineStep
		room := int((width - 2*padding - 6.7*float64(len(l.Field)) - 20) / 7.4)
		s.text(x+padding, at, "", "start", shorten(l.Text, room))
		s.text(x+width-padding, at, "field", "end", l.Field)
	}
	at += 10
	for _, inner := range b.inner {
		at += inner.draw(s, x+padding, at, width-2*padding) + padding
	}
	return height
}

func (b *box) height() float64 {
	height := 32 + float64(lineStep*len(b.lines))
	for _, inner := range b.inner {
		height += inner.height() + padding
	}
	return height
}
