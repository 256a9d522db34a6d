package cgroups

import (
	"strconv"
	"strings"
)

// addPressure adds the pressure stall information of a hybrid host: its v2 tree has no controllers, and still tells how
// long the processes in a cgroup had to wait (kernel, accounting/psi.rst). What cannot be read is left out: kernels are
// built without it, and root can turn it off.
func (c *Cgroup) addPressure(s *Stats) {
	h := c.unified()
	if h == nil || c.saved.Layout == V2 {
		return
	}
	s.CPU.PSI = readPressure(h.dir() + "/cpu.pressure")
	s.Memory.PSI = readPressure(h.dir() + "/memory.pressure")
	s.Blkio.PSI = readPressure(h.dir() + "/io.pressure")
}

func readPressure(path string) *PSI {
	text, err := readFile(path)
	if err != nil {
		return nil
	}
	p := &PSI{}
	for line := range strings.Lines(text) {
		kind, rest, _ := strings.Cut(line, " ")
		data := &p.Some
		if kind == "full" {
			data = &p.Full
		}
		for field := range strings.FieldsSeq(rest) {
			key, value, _ := strings.Cut(field, "=")
			f, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return nil
			}
			switch key {
			case "avg10":
				data.Avg10 = f
			case "avg60":
				data.Avg60 = f
			case "avg300":
				data.Avg300 = f
			case "total":
				data.Total = uint64(f)
			}
		}
	}
	return p
}
