// Package inforce answers from the API when a policy is in force: on which nodes it
// matters, and what each of their agents says.
//
// It promises that "in force" means that the agent of every node with a Pod that
// the policy selects has said so of this version of the policy or of a later one;
// and that a node which has not said so is named, with what is known of it.
//
// It never writes, and asks no agent.
package inforce
