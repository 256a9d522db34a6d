package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// elements reads a picture, which has to be well-formed, and returns its texts and how many bars it has.
func elements(t *testing.T, picture string) (texts []string, bars int) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(picture))
	inText := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts, bars
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			inText = e.Name.Local == "text"
			if e.Name.Local == "rect" {
				bars++
			}
		case xml.CharData:
			if inText {
				texts = append(texts, string(e))
			}
		case xml.EndElement:
			inText = false
		}
	}
}

func TestTraceHasTheStepsUntilTheProgram(t *testing.T) {
	events := []event{
		{Phase: "M", Pid: 1}, {Phase: "M", Pid: 2},
		{Name: "mydocker run", Phase: "X", Begin: 0, Dur: 9000, Pid: 1},
		{Name: "plan", Phase: "X", Begin: 100, Dur: 400, Pid: 1},
		{Name: "mount <proc> at /proc (ro)", Phase: "X", Begin: 600, Dur: 300, Pid: 2},
		{Name: "too short", Phase: "X", Begin: 900, Dur: 1, Pid: 2},
		{Name: "execute program", Phase: "X", Begin: 950, Dur: 50, Pid: 2},
		{Name: "delete", Phase: "X", Begin: 2000, Dur: 500, Pid: 1},
	}
	texts, bars := elements(t, drawTrace(events))
	all := strings.Join(texts, "\n")
	for _, want := range []string{"plan", "400 µs", "mount <proc> at /proc", "execute program", "0.9 ms", "1 steps"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if strings.Contains(all, "delete") || bars != 4 {
		t.Errorf("%d rectangles\n%s", bars, all)
	}
}

func TestContainerHasALineAStep(t *testing.T) {
	d := &document{Rootfs: "/r"}
	add := func(kind, text, field string, parts ...part) {
		d.Steps = append(d.Steps, struct {
			Who, Kind, Text, Field string
			Parts                  []part
		}{"", kind, text, field, parts})
	}
	add("", "set limits", "linux.resources", part{"/sys/fs/cgroup/box/pids.max = 7", "linux.resources.pids.limit"})
	add("", "unshare mount namespace", "linux.namespaces[0]")
	add("Mount", "mount proc at /proc", "mounts[0]")
	add("Exec", "execute sh", "process.args", part{"environment A=b", ""})
	texts, bars := elements(t, drawContainer(d))
	all := strings.Join(texts, "\n")
	for _, want := range []string{"pids.max = 7", "linux.resources.pids.limit", "unshare mount namespace", "mount proc at /proc", "execute sh"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if strings.Contains(all, "environment") || bars != 5 {
		t.Errorf("%d rectangles\n%s", bars, all)
	}
}
