package plugin

import (
	"time"

	"github.com/sluice-net/sluice/abi"
)

// tickPeriod is how often the module wants to know the time; 0 is never.
func (i *image) tickPeriod() time.Duration {
	if i.manifest == nil {
		return 0
	}
	return time.Duration(i.manifest.TickSeconds) * time.Second
}

// timeOfSnapshot is the part of the state that is the time, for a module that
// asks for it: the last Tick belongs to the state like the objects.
func (g *generation) timeOfSnapshot() []abi.Event {
	if g.tickPeriod() == 0 {
		return nil
	}
	return []abi.Event{&abi.Tick{UnixNanos: time.Now().UnixNano()}}
}

// keepTime sets the clock for the generation at work, if that is another than
// the one it was set for.
func (m *Module) keepTime() {
	if m.current == m.timed {
		return
	}
	m.timed = m.current
	m.nextTick()
}

// nextTick is at the next multiple of the period on the wall clock: the nodes of
// a cluster tick together, and a rule that begins at the full hour does so.
func (m *Module) nextTick() {
	m.tickAt.Stop()
	if m.current == nil || m.current.tickPeriod() == 0 {
		return
	}
	now, period := m.now(), m.current.tickPeriod()
	m.tickAt.Reset(now.Truncate(period).Add(period).Sub(now))
}

// tick tells the generation at work what time it is. One that has not yet heard
// of the last tick is told of this one alone.
func (m *Module) tick() {
	if m.current != nil {
		m.current.feed.tick(m.now())
	}
	m.nextTick()
}

// tick puts the time into the feed.
func (f *feed) tick(now time.Time) {
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	f.push(objectKey{}, &abi.Tick{UnixNanos: now.UnixNano()})
	f.signal()
}
