package seccomp

import (
	"encoding/binary"
	"encoding/json"
	"slices"

	"golang.org/x/sys/unix"
)

// Numbers are what can be counted in a filter.
type Numbers struct {
	Instructions int          `json:"instructions"`
	Longest      int          `json:"longest"` // how many of them are run at most for one call
	Archs        []ArchNumber `json:"architectures"`
}

// ArchNumber counts the system calls of an architecture that have a name here.
type ArchNumber struct {
	Name        string `json:"name"`
	Known       int    `json:"known"`
	Allowed     int    `json:"allowed"`     // whatever their arguments, or for some
	Conditional int    `json:"conditional"` // of these, those that are allowed for some arguments
}

// Numbers counts by following the program, so they are those of what the kernel runs. SCMP_ACT_LOG counts as allowed.
func (f *Filter) Numbers() Numbers {
	code := f.instructions()
	n := Numbers{Instructions: len(code), Longest: longest(code)}
	for a := range archID(len(archNames)) {
		if !compares(code, auditArch[a]) {
			continue
		}
		count := ArchNumber{Name: archNames[a]}
		for at := range numbers[a] {
			nr, ok := number(a, at)
			if !ok {
				continue
			}
			count.Known++
			allowed, refused := verdicts(code, auditArch[a], nr)
			if allowed {
				count.Allowed++
				if refused {
					count.Conditional++
				}
			}
		}
		// Others are compared with by chance, or to be killed.
		if count.Allowed > 0 {
			n.Archs = append(n.Archs, count)
		}
	}
	return n
}

// MarshalJSON shows the numbers in the place of the program.
func (f *Filter) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Numbers
		Flags        uint32 `json:"flags"`
		Notify       bool   `json:"notify"`
		ListenerPath string `json:"listenerPath,omitempty"`
	}{f.Numbers(), f.Flags, f.Notify, f.ListenerPath})
}

func (f *Filter) instructions() []instruction {
	code := make([]instruction, f.Len())
	for i := range code {
		b := f.Program[8*i:]
		code[i] = instruction{binary.NativeEndian.Uint16(b), b[2], b[3], binary.NativeEndian.Uint32(b[4:])}
	}
	return code
}

// longest is the longest path. Jumps go forward alone, so it is known of all that follows an instruction.
func longest(code []instruction) int {
	from := make([]int, len(code))
	for i, in := range slices.Backward(code) {
		for _, next := range in.next(i) {
			from[i] = max(from[i], from[next])
		}
		from[i]++
	}
	return from[0]
}

// next are the instructions that can follow the one at i.
func (in instruction) next(i int) []int {
	switch {
	case in.code&7 == unix.BPF_RET:
		return nil
	case in.code == unix.BPF_JMP|unix.BPF_JA:
		return []int{i + 1 + int(in.k)}
	case in.code&7 == unix.BPF_JMP:
		return []int{i + 1 + int(in.jt), i + 1 + int(in.jf)}
	}
	return []int{i + 1}
}

// compares tells whether the program looks for an architecture.
func compares(code []instruction, audit uint32) bool {
	return slices.ContainsFunc(code, func(in instruction) bool { return in.code == unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K && in.k == audit })
}

// verdicts follows all paths of one system call: both ways where an argument decides.
func verdicts(code []instruction, audit, nr uint32) (allowed, refused bool) {
	type state struct {
		at    int
		known bool   // what is in the accumulator
		value uint32 // if known
	}
	todo := []state{{}}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		in := code[s.at]
		switch {
		case in.code == unix.BPF_LD|unix.BPF_W|unix.BPF_ABS:
			s.known = in.k == offNumber || in.k == offArch
			if s.value = nr; in.k == offArch {
				s.value = audit
			}
		case in.code&7 == unix.BPF_ALU:
			s.value &= in.k
		case in.code&7 == unix.BPF_RET:
			action := in.k & unix.SECCOMP_RET_ACTION_FULL
			if action == unix.SECCOMP_RET_ALLOW || action == unix.SECCOMP_RET_LOG {
				allowed = true
			} else {
				refused = true
			}
			continue
		}
		next := in.next(s.at)
		if len(next) == 2 && s.known {
			if next[0] = next[1]; in.holds(s.value) {
				next[0] = s.at + 1 + int(in.jt)
			}
			next = next[:1]
		}
		for _, at := range next {
			todo = append(todo, state{at, s.known, s.value})
		}
	}
	return allowed, refused
}

// holds tells whether the condition of a jump holds for what is in the accumulator.
func (in instruction) holds(a uint32) bool {
	switch in.code &^ (7 | unix.BPF_K) {
	case unix.BPF_JEQ:
		return a == in.k
	case unix.BPF_JGT:
		return a > in.k
	}
	return a >= in.k
}
