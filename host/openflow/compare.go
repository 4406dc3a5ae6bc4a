package openflow

import "strings"

// Compare orders matches in some fixed way: for sorting, so that the same flows
// are written in the same order each time.
func (m Match) Compare(other Match) int { return strings.Compare(m.oxm, other.oxm) }

// Deletes is the key of the one flow that the modification deletes; ok is false
// for other modifications.
func (m Mod) Deletes() (key FlowKey, ok bool) {
	return m.flow.Key(), m.kind == modDeleteStrict
}
