// Package attach puts Pods on Sluice's bridge and takes them off: it answers the CNI plugin, and holds together what the
// packages ovsdb and hostnet change and the flows that a Node installs.
//
// What it promises:
//
//   - ADD answers when the Pod's policy is in force, never before, and no packet of the Pod passes the bridge unpoliced on
//     the way there: the bridge drops what it has no flow for, and flows come last.
//   - An ADD that fails leaves routes, neighbours, rules and ports as they were, and says which step failed and why.
//   - Every verb may be repeated. Requests for one Pod run one after the other; those of different Pods run side by side.
//   - Adopt brings a Pod that runs already onto the bridge and Eject takes one off it, without a moment in which its packets go
//     nowhere; Uninstall ejects all and leaves the node as it was. Each undoes, or can undo, exactly what the records say.
//   - CHECK names what is not as ADD left it, the flows included.
//   - All that is needed to undo an attachment is in the external_ids of its port before anything else is changed. So a
//     crash at any point is recoverable: steps.go says how for each step.
//
// What it never does: decide what may pass, or change the result of the CNI plugin before it.
//
// When the process dies, traffic goes on as it was. The next process calls Restore, which finds every attachment again and
// takes away those whose Pod has gone meanwhile.
package attach
