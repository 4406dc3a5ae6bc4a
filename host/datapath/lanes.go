package datapath

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

// level is a rank of rules within a tier and direction: all rules of one level
// do the same thing, so it does not matter which of them a packet meets.
type level struct {
	order    int    // of the module in its tier; lower is asked first
	module   string // of modules of one order, the name that sorts first is
	priority int32  // of the rule; higher is asked first
	rank     uint8  // of the action; lower is asked first
	silent   bool   // rules that log are asked first, or a silent one that does the same would hide them
}

func levelOf(r *rule) level {
	return level{
		order: r.order, module: r.key.Module, priority: r.spec.Priority, rank: actionRank(r.spec.Action),
		silent: !r.logs(),
	}
}

func compareLevels(a, b level) int {
	return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.module, b.module), cmp.Compare(b.priority, a.priority), cmp.Compare(a.rank, b.rank), cmp.Compare(loudness(a), loudness(b)))
}

func loudness(l level) int {
	if l.silent {
		return 1
	}
	return 0
}

// actionRank breaks ties between rules of one priority (abi.Action).
func actionRank(a abi.Action) uint8 {
	switch a {
	case abi.Deny:
		return 0
	case abi.Reject:
		return 1
	case abi.Pass:
		return 2
	default:
		return 3
	}
}

// laneCapacity is how many conjunctions a lane takes. All of them may meet in
// one flow, whose message may not exceed 65535 bytes, 16 of them each.
const laneCapacity = 3500

// lane is one OpenFlow priority of a tier table. Rules of one level that need
// no conjunction live in a lane of their own: a flow cannot be both a clause
// and a verdict.
type lane struct {
	level    level
	direct   bool
	priority uint16
	rules    int
}

// lanes are the lanes of one tier table, in order of falling priority.
type lanes struct {
	stage Stage
	list  []*lane
	// withdraw takes every rule of the table out of the book, restore puts them
	// back: between the two, lanes get other numbers.
	withdraw, restore func(Stage)
	// hint is the priority that a rule had before this agent started. Following
	// it makes a restart change nothing.
	hint func(rule uint32) (uint16, bool)
}

// take finds the lane for a rule, making one if need be. It fails only if the
// table has as many lanes as there are priorities.
func (l *lanes) take(lv level, direct bool, rule uint32) (*lane, error) {
	first, _ := slices.BinarySearchFunc(l.list, lv, func(a *lane, lv level) int { return compareLevels(a.level, lv) })
	end := first
	for ; end < len(l.list) && l.list[end].level == lv; end++ {
		if a := l.list[end]; a.direct == direct && (direct || a.rules < laneCapacity) {
			a.rules++
			return a, nil
		}
	}
	fresh := &lane{level: lv, direct: direct, rules: 1}
	if hinted, ok := l.hint(rule); ok {
		for i := first; i <= end; i++ {
			if above, below := l.around(i); hinted < above && hinted > below {
				fresh.priority = hinted
				l.list = slices.Insert(l.list, i, fresh)
				return fresh, nil
			}
		}
	}
	above, below := l.around(end)
	if above-below > 1 {
		fresh.priority = below + (above-below)/2
		l.list = slices.Insert(l.list, end, fresh)
		return fresh, nil
	}
	return fresh, l.spread(end, fresh)
}

// around is the open interval of priorities for a lane inserted at i.
func (l *lanes) around(i int) (above, below uint16) {
	above, below = prioLaneMax, prioLaneMin
	if i > 0 {
		above = l.list[i-1].priority
	}
	if i < len(l.list) {
		below = l.list[i].priority
	}
	return above, below
}

// spread inserts a lane at i and numbers all lanes anew, evenly.
func (l *lanes) spread(i int, fresh *lane) error {
	room := prioLaneMax - prioLaneMin - 1
	if len(l.list) >= room {
		return fmt.Errorf("table %s has %d levels of rule priority in use, which is all there are: "+
			"give the rules of one module fewer distinct priorities", l.stage, room)
	}
	l.withdraw(l.stage)
	l.list = slices.Insert(l.list, i, fresh)
	for j, a := range l.list {
		a.priority = uint16(prioLaneMax - (j+1)*(prioLaneMax-prioLaneMin)/(len(l.list)+1))
	}
	l.restore(l.stage)
	return nil
}

// release gives a rule's place back; a lane without rules ends.
func (l *lanes) release(a *lane) {
	if a.rules--; a.rules == 0 {
		l.list = slices.DeleteFunc(l.list, func(x *lane) bool { return x == a })
	}
}
