package cluster

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// batch is what the sink is to be told.
type batch struct {
	events   []Event
	problems []Problem
	revision string
	complete bool // the first complete list has been, or is, told
	heard    uint64
	parts    []taken
	gone     map[string]bool // resources that nobody asks for any more
}

// taken is a part as it was when a batch was taken.
type taken struct {
	part    *part
	stream  *stream
	version string
}

// take is what there is to tell. Objects are held back until the lists of all
// that must be there have been complete once.
func (l *ledger) take(must []string) batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := batch{problems: l.diskProblems()}
	for _, resource := range slices.Sorted(maps.Keys(l.parts)) {
		if p := l.parts[resource]; p.problem != nil {
			b.problems = append(b.problems, *p.problem)
		}
	}
	for _, resource := range must {
		if p := l.parts[resource]; !l.started && (p == nil || !p.listed && !l.fromDisk(p)) {
			return b
		}
	}
	l.started, b.complete, b.heard = true, true, l.heard
	b.events, b.gone = l.takeEvents(), l.gone
	l.gone = map[string]bool{}
	newest := uint64(0)
	for _, p := range l.parts {
		if p.complete || l.fromDisk(p) {
			b.parts = append(b.parts, taken{p, p.stream, p.version})
			newest = max(newest, versionOf(p.version))
		}
	}
	b.revision = strconv.FormatUint(newest, 10)
	return b
}

// takeEvents empties pending, in the order that a Sink is promised. The caller
// holds mu.
func (l *ledger) takeEvents() []Event {
	events := make([]Event, 0, len(l.order))
	for _, k := range l.order {
		e := l.pending[k].event
		if e.Op == 0 {
			continue // it came and went
		}
		events = append(events, e)
		if e.Op == Put {
			p := l.parts[k.resource]
			r := p.known[k]
			r.told = true
			p.known[k] = r
		}
	}
	if len(l.order) > keptOrder {
		l.pending, l.order = map[key]change{}, nil
	} else {
		clear(l.pending)
		l.order = l.order[:0]
	}
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(turnOf(&a), turnOf(&b)) })
	return events
}

// keptOrder is how large a list of changes is used again.
const keptOrder = 4096

// turnOf orders events: deletes, of what refers to others first, then puts, of
// what others refer to first.
func turnOf(e *Event) int {
	if e.Op == Delete {
		return -rankOf(e.Resource)
	}
	return 1 + rankOf(e.Resource)
}

// told notes that the sink was told.
func (l *ledger) told(b batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handed, l.opened = max(l.handed, b.heard), l.opened || b.complete
	for _, t := range b.parts {
		if t.part.stream == t.stream {
			t.part.told, t.part.toldVersion = true, t.version
		}
	}
	l.broadcast()
}

// versionsTold is, by resource, how far the sink is.
func (l *ledger) versionsTold() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	versions := map[string]string{}
	for resource, p := range l.parts {
		if p.toldVersion != "" {
			versions[resource] = p.toldVersion
		}
	}
	return versions
}
