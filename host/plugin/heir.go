package plugin

import "github.com/sluice-net/sluice/host/policy"

// replace begins the heir to a module. The module goes on working, with what it has
// in force, until the heir's first transaction is ready; then it is ended, and that
// transaction is the difference between the two.
func (s *Supervisor) replace(m *Module, spec Spec, granted policy.Grant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	former := m
	if m.heirTo() != nil { // an heir that has not taken over makes room for the next
		m.cancel()
		m.workers.Wait()
		former = m.standing() // or has it, in the last moment
	}
	return s.begin(spec, granted, former)
}

// heirTo is the module that this one is going to take over from, or nil.
func (m *Module) heirTo() *Module {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.former
}

// standing is the module whose layer is in force: this one, or the one that it is
// the heir to.
func (m *Module) standing() *Module {
	if former := m.heirTo(); former != nil {
		return former
	}
	return m
}

// inherit ends the module that this one is the heir to and takes what it has in
// force for its own. It says whether there was one.
func (m *Module) inherit() bool {
	former := m.heirTo()
	if former == nil {
		return false
	}
	former.stop()
	m.layer.Inherit(former.layer)
	m.mu.Lock()
	m.former = nil
	m.mu.Unlock()
	return true
}

// statusUntil is the status of a module whose heir, of which s is the own status,
// has not taken over yet.
func (m *Module) statusUntil(s Status) Status {
	standing := m.Status()
	standing.Newest = standing.Generation + 1
	if s.LastError != "" {
		standing.LastError, standing.LastErrorAt = s.LastError, s.LastErrorAt
	}
	return standing
}
