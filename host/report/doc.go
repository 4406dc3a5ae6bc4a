// Package report tells the Kubernetes API what became of policy on a node.
//
// It promises that a NodePolicyStatus says what the agent said last, not later than
// its pace allows; that all agents of a cluster together write at most about a
// hundred of them a second, however large it is; and that the taint of a node that
// is not ready goes when it is, and not before.
//
// It never decides anything, never keeps an agent from enforcing, and writes to no
// object of another node but as the one agent that speaks for all.
//
// When it dies, the API shows what was true before. A new one writes what differs.
package report
