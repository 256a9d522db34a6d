package seccomp

import (
	"math"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (seccomp(2)).
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

func load(offset uint32) instruction {
	return instruction{code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, k: offset}
}

func ret(value uint32) instruction { return instruction{code: unix.BPF_RET | unix.BPF_K, k: value} }

func jump(op uint16, k uint32, jt, jf uint8) instruction {
	return instruction{code: unix.BPF_JMP | op | unix.BPF_K, jt: jt, jf: jf, k: k}
}

// span is a range of numbers, from start to the next span, that are treated alike.
type span struct {
	start uint32
	ret   uint32
	rules []call // with conditions; ret is for when none matches
	low   bool   // the rules look at the low halves of arguments
}

// program puts the filter together.
func (c *compiler) program() []instruction {
	code := append(make([]instruction, 0, 2*c.places), load(offArch))
	for i, a := range c.archs {
		audit := auditArch[a]
		// x32 is in the block of x86_64.
		if slices.ContainsFunc(c.archs[:i], func(b archID) bool { return auditArch[b] == audit }) {
			continue
		}
		at := len(code)
		code = c.tree(append(code, jump(unix.BPF_JEQ, audit, 0, 0), load(offNumber)), c.spans(audit))
		code = patch(code, at, false)
	}
	return append(code, ret(unix.SECCOMP_RET_KILL_PROCESS))
}

// spans cuts the numbers of an audit architecture into ranges.
func (c *compiler) spans(audit uint32) []span {
	own, x32 := c.of(audit, false), c.of(audit, true)
	list := make([]span, 0, c.places)
	if own >= 0 {
		end := uint64(1 << 32)
		if audit == unix.AUDIT_ARCH_X86_64 {
			end = x32Bit
		}
		list = c.cut(list, own, 0, end)
	} else {
		list = push(list, span{ret: unix.SECCOMP_RET_KILL_PROCESS})
	}
	switch {
	case x32 >= 0:
		list = c.cut(list, x32, x32Bit, 1<<32)
	case audit == unix.AUDIT_ARCH_X86_64:
		last := list[len(list)-1].ret
		list = push(list, span{start: x32Bit, ret: unix.SECCOMP_RET_KILL_PROCESS})
		// -1 is no call of x32: a tracer makes a call to this, that it be skipped.
		list = push(list, span{start: math.MaxUint32, ret: last})
	}
	return list
}

// cut appends the ranges of the numbers from next up to, and not including, end.
func (c *compiler) cut(list []span, a archID, next, end uint64) []span {
	calls := c.calls(a)
	g := c.gaps(a, calls)
	for len(calls) > 0 {
		nr, n := calls[0].number, 1
		for n < len(calls) && calls[n].number == nr {
			n++
		}
		list = g.append(list, next, uint64(nr))
		list = push(list, c.span(calls[:n], a))
		next = uint64(nr) + 1
		calls = calls[n:]
	}
	return g.append(list, next, end)
}

// gaps is what happens to the numbers that no rule names.
type gaps struct {
	largest     uint64 // of those that are named
	first, last uint64 // of the private block
	known       uint32 // what is done up to the largest, and in the private block
	beyond      uint32
}

func (c *compiler) gaps(a archID, calls []call) gaps {
	g := gaps{first: math.MaxUint64, last: math.MaxUint64, known: c.defaultRet, beyond: c.defaultRet}
	if first, last, ok := private(a); ok {
		g.first, g.last = uint64(first), uint64(last)
	}
	for i := len(calls) - 1; i >= 0; i-- {
		if n := uint64(calls[i].number); n < g.first || n > g.last {
			g.largest, g.beyond = n, c.tooNew
			break
		}
	}
	return g
}

// append appends the ranges from next up to, and not including, end.
func (g *gaps) append(list []span, next, end uint64) []span {
	for next < end {
		s, to := span{start: uint32(next), ret: g.beyond}, end
		switch {
		case next <= g.largest:
			s.ret = g.known // the range ends at a number that is named
		case next < g.first:
			to = g.first
		case next <= g.last:
			s.ret, to = g.known, g.last+1
		}
		list = push(list, s)
		next = min(to, end)
	}
	return list
}

// of is the architecture of the profile that the kernel calls so: x32, or the other one; -1 without.
func (c *compiler) of(audit uint32, x32 bool) archID {
	for _, a := range c.archs {
		if auditArch[a] == audit && (a == archX32) == x32 {
			return a
		}
	}
	return -1
}

// span decides what is done with one number. It keeps the rules to try in the place of calls.
func (c *compiler) span(calls []call, a archID) span {
	s := span{start: calls[0].number, ret: c.defaultRet, rules: calls[:0], low: narrow(a)}
	for _, l := range calls {
		r := &c.rules[l.rule]
		if len(r.conds) > 0 || l.mask != 0 {
			s.rules = append(s.rules, l)
			continue
		}
		// One that does what is done anyway says nothing.
		if r.ret != c.defaultRet {
			return span{start: s.start, ret: r.ret}
		}
	}
	return s
}

// push appends a range, unless it is treated like the one before it, which it then belongs to.
func push(list []span, s span) []span {
	if n := len(list); n > 0 && len(s.rules) == 0 && len(list[n-1].rules) == 0 && list[n-1].ret == s.ret {
		return list
	}
	return append(list, s)
}

// patch lets the jump at a place of the code go behind what was appended since: when its condition holds, or else when
// it does not. Where that is too far for a conditional jump, an unconditional one is put behind it.
func patch(code []instruction, at int, holds bool) []instruction {
	n := len(code) - at - 1
	j := &code[at]
	switch {
	case n <= math.MaxUint8 && holds:
		j.jt = uint8(n)
	case n <= math.MaxUint8:
		j.jf = uint8(n)
	case holds:
		j.jt, j.jf = 0, 1
		code = slices.Insert(code, at+1, jump(unix.BPF_JA, uint32(n), 0, 0))
	default:
		j.jt, j.jf = 1, 0
		code = slices.Insert(code, at+1, jump(unix.BPF_JA, uint32(n), 0, 0))
	}
	return code
}

// tree appends a balanced tree of comparisons of the number, which is in the accumulator.
func (c *compiler) tree(code []instruction, list []span) []instruction {
	if len(list) == 1 {
		return c.leaf(code, &list[0])
	}
	middle, at := len(list)/2, len(code)
	code = c.tree(append(code, jump(unix.BPF_JGE, list[middle].start, 0, 0)), list[:middle])
	return c.tree(patch(code, at, true), list[middle:])
}

// half is the offset of the low or the high half of an argument.
func half(index uint, high bool) uint32 {
	one := uint16(1)
	little := *(*byte)(unsafe.Pointer(&one)) == 1
	offset := uint32(offArgs + 8*index)
	if high == little {
		offset += 4
	}
	return offset
}

func and(mask uint32) instruction {
	return instruction{code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, k: mask}
}
