package plugin

// onProbation says that the generation at work took over from another one a
// short time ago: what it gets wrong now is blamed on it, and the one before it
// is still at hand.
func (m *Module) onProbation() bool {
	return m.previous != nil && m.current != nil && m.current.image == m.serving &&
		m.accepted != m.serving.digest && m.now().Sub(m.tookOver) < m.options.Probation
}

// goBack returns to the generation before the one that serves. What is in force
// stays until that one has been handed the whole state and has taken over, in
// one transaction: going back to flows of the past would undo what policies have
// said since.
func (m *Module) goBack(why error) {
	failed := m.serving
	m.log.Error("GOING BACK to the generation before this one",
		"generation", failed.number, "digest", failed.digest, "back to", m.previous.number, "because", why)
	m.keepOut(failed, why, true)
	m.tally.rolledBack()
	m.serving, m.previous = m.previous, nil
	m.failures = 0
	m.drop()
	if m.current != nil {
		m.current.end()
		m.current, m.held = nil, false
	}
	m.againAt.Stop()
	m.schedule(m.serving)
	m.startAt.Reset(0)
}
