package seccomp

import (
	"cmp"
	"math"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// leaf appends the rules, which are tried one after the other. Neighbours that compare one and the same argument with
// a value each are searched as a tree: at most one of them can hold, or the first of those with the same value.
//
// All jumps of BPF go forward. The instructions are therefore made from the last to the first, so that each knows how
// far it is to where it goes.
func (c *compiler) leaf(code []instruction, s *span) []instruction {
	b := block{code: code, start: len(code)}
	next := b.ret(s.ret)
	for end := len(s.rules); end > 0; {
		from := c.equals(s, end)
		if from < end {
			next = b.search(c.matches, &next)
			end = from
			continue
		}
		end--
		l := &s.rules[end]
		yes := b.ret(c.rules[l.rule].ret)
		conds := c.rules[l.rule].conds
		if l.mask != 0 {
			a := multiplexed32(l)
			yes = b.condition(&a, true, yes, &next)
		}
		for i := len(conds) - 1; i >= 0; i-- {
			yes = b.condition(&conds[i], s.low, yes, &next)
		}
		next = yes
	}
	if next != len(b.code)-1 {
		b.near(&next, 0)
	}
	slices.Reverse(b.code[b.start:])
	return b.code
}

// multiplexed32 is the condition on the first argument of a multiplexer. It is an int, whatever the architecture.
func multiplexed32(l *call) specs.LinuxSeccompArg {
	return specs.LinuxSeccompArg{Value: uint64(l.mask), ValueTwo: uint64(l.value), Op: specs.OpMaskedEqual}
}

// match is a value that an argument is compared with, and what is done when it is that.
type match struct {
	value uint64
	ret   uint32
	index uint
	low   bool
}

func (m match) high() uint32 { return uint32(m.value >> 32) }

// equals finds the rules before the one at end that compare the same argument with a value each, and leaves them in
// matches, sorted. It returns the place of the first of them, or end when there is none.
func (c *compiler) equals(s *span, end int) int {
	list := c.matches[:0]
	from := end
	for ; from > 0; from-- {
		m, ok := c.equal(&s.rules[from-1], s.low)
		if !ok || len(list) > 0 && (m.index != list[0].index || m.low != list[0].low) {
			break
		}
		list = append(list, m)
	}
	// The first of the rules with one value is the one that counts.
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b match) int { return cmp.Compare(a.value, b.value) })
	c.matches = slices.CompactFunc(list, func(a, b match) bool { return a.value == b.value })
	return from
}

// equal tells whether a rule compares one argument with a value, and no more.
func (c *compiler) equal(l *call, low bool) (match, bool) {
	r := &c.rules[l.rule]
	m := match{ret: r.ret, low: low}
	switch {
	case l.mask != 0:
		m.value, m.low = uint64(l.value), true
		return m, l.mask == math.MaxUint32 && len(r.conds) == 0
	case len(r.conds) != 1 || r.conds[0].Op != specs.OpEqualTo:
		return m, false
	}
	m.index, m.value = r.conds[0].Index, r.conds[0].Value
	if low {
		m.value = uint64(uint32(m.value))
	}
	return m, true
}

// block makes instructions from the last to the first. The place of one is its distance from the last.
type block struct {
	code  []instruction // from start on, the last instruction first
	start int
	rets  [4]int // the latest returns, to be used again where a jump reaches them
	used  int
}

func (b *block) add(i instruction) int {
	b.code = append(b.code, i)
	return len(b.code) - 1
}

// reach is how far a jump is let go: less than the 255 instructions that it can, for those that near puts between.
const reach = 250

// ret is the place of an instruction that returns a value, in reach.
func (b *block) ret(value uint32) int {
	for _, at := range b.rets[:min(b.used, len(b.rets))] {
		if b.code[at].k == value && len(b.code)-at <= reach {
			return at
		}
	}
	at := b.add(ret(value))
	b.rets[b.used%len(b.rets)] = at
	b.used++
	return at
}

// near brings a place that is further away than most into reach, with a jump to it, or a copy where it is a return.
func (b *block) near(place *int, most int) {
	at := *place
	switch {
	case len(b.code)-at <= most:
	case b.code[at].code == unix.BPF_RET|unix.BPF_K:
		*place = b.add(b.code[at])
	default:
		*place = b.add(jump(unix.BPF_JA, uint32(len(b.code)-at-1), 0, 0))
	}
}

// test adds a comparison of the accumulator, and where to go on when it holds and when it does not.
func (b *block) test(op uint16, k uint32, yes, no *int) int {
	b.near(yes, reach)
	b.near(no, reach)
	n := len(b.code) - 1
	return b.add(jump(op, k, uint8(n-*yes), uint8(n-*no)))
}

// search adds a search for an argument's value among the matches, all of one argument.
func (b *block) search(list []match, none *int) int {
	index := list[0].index
	if list[0].low {
		b.lows(list, none)
		return b.add(load(half(index, false)))
	}
	b.highs(list, none)
	return b.add(load(half(index, true)))
}

// highs adds a tree of comparisons of the high half, which is in the accumulator, and under it of the low ones.
func (b *block) highs(list []match, none *int) int {
	if list[0].high() == list[len(list)-1].high() {
		b.lows(list, none)
		low := b.add(load(half(list[0].index, false)))
		return b.test(unix.BPF_JEQ, list[0].high(), &low, none)
	}
	middle := len(list) / 2
	for middle < len(list) && list[middle].high() == list[middle-1].high() {
		middle++
	}
	if middle == len(list) {
		for middle--; list[middle].high() == list[middle-1].high(); {
			middle--
		}
	}
	above := b.highs(list[middle:], none)
	below := b.highs(list[:middle], none)
	return b.test(unix.BPF_JGE, list[middle].high(), &above, &below)
}

// chain is how many values are compared one after the other: a comparison more in the tree for each half of them would
// make the filter longer.
const chain = 8

// lows adds a tree of comparisons of the low half, which is in the accumulator.
func (b *block) lows(list []match, none *int) int {
	if len(list) > chain {
		middle := len(list) / 2
		above := b.lows(list[middle:], none)
		below := b.lows(list[:middle], none)
		return b.test(unix.BPF_JGE, uint32(list[middle].value), &above, &below)
	}
	b.near(none, reach)
	next := *none
	for i := len(list) - 1; i >= 0; i-- {
		found := b.ret(list[i].ret)
		next = b.test(unix.BPF_JEQ, uint32(list[i].value), &found, &next)
	}
	return next
}

// condition adds a comparison of an argument, of its low half alone if that is all that the call sees, and where to go
// on. It returns where it begins.
func (b *block) condition(a *specs.LinuxSeccompArg, low bool, yes int, no *int) int {
	// Half of the operators are the other half, denied.
	holds, fails, op := &yes, no, uint16(unix.BPF_JEQ)
	switch a.Op {
	case specs.OpMaskedEqual:
		return b.masked(a, low, yes, no)
	case specs.OpNotEqual:
		holds, fails = no, &yes
	case specs.OpGreaterThan:
		op = unix.BPF_JGT
	case specs.OpGreaterEqual:
		op = unix.BPF_JGE
	case specs.OpLessEqual:
		holds, fails, op = no, &yes, unix.BPF_JGT
	case specs.OpLessThan:
		holds, fails, op = no, &yes, unix.BPF_JGE
	}
	b.test(op, uint32(a.Value), holds, fails)
	at := b.add(load(half(a.Index, false)))
	if low {
		return at
	}
	at = b.test(unix.BPF_JEQ, uint32(a.Value>>32), &at, fails)
	if op != unix.BPF_JEQ {
		b.test(unix.BPF_JGT, uint32(a.Value>>32), holds, &at)
	}
	return b.add(load(half(a.Index, true)))
}

// masked adds SCMP_CMP_MASKED_EQ: value is the mask, and the argument has to be valueTwo in the bits of it; the others
// of valueTwo count as little as those of the argument (seccomp_rule_add(3): "the masked datum value").
func (b *block) masked(a *specs.LinuxSeccompArg, low bool, yes int, no *int) int {
	for _, high := range [...]bool{false, true} {
		mask, value := uint32(a.Value), uint32(a.ValueTwo)
		if high {
			mask, value = uint32(a.Value>>32), uint32(a.ValueTwo>>32)
		}
		if mask == 0 || high && low {
			continue
		}
		b.test(unix.BPF_JEQ, value&mask, &yes, no)
		b.add(and(mask))
		yes = b.add(load(half(a.Index, high)))
	}
	return yes
}
