// Package policy holds what modules asked for, and says what it means.
//
// A Layer is everything one module has in force: its sets, rules and
// isolations. It changes only by whole transactions (Begin, Stage, Check,
// Delta, Commit), so that no half of a policy is ever seen. Evaluate is the
// meaning: one page that judges a packet against layers and an inventory
// snapshot by looking at labels and addresses directly. Everything that makes
// flows is tested against it.
//
// It promises that every request is validated before it is staged, and that a
// refusal names the object, the field, the limit and the remedy; that a
// transaction costs what it changes, not what the layer holds; and that what a
// Layer handed out never changes afterwards.
//
// It never looks at packets, flows, Kubernetes objects or the clock, and it
// holds nothing that is not in the requests: when the process dies, modules
// are handed the whole state again and the layers are as they were.
package policy
