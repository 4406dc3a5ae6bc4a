// Package inventory knows the Pods, Namespaces and Nodes there are, and says
// which classes and blocks the acquired sets consist of.
//
// # Classes
//
// A class is all Pods that nobody can tell apart: those with the same
// namespace, the same labels under the keys that acquired sets mention (live
// keys), and the same named ports under the names that were acquired. Sets are
// evaluated once per class, never per Pod. Keys and names are counted, so that
// releasing the last set that mentions a key merges the classes that only this
// key told apart.
//
// A set of Pods is found through its rarest requirement: the one whose label
// the fewest Pods, and the fewest other sets, share; or through its namespaces
// if these are rarer. A class that comes into being looks only at the sets that
// are found through its own labels and its namespace. A set that is acquired
// looks only at the classes under one of its requirements.
//
// # Blocks
//
// Every CIDR and every except that an acquired set names is a prefix in a trie,
// with a count per set. Going down from the root, the counts say in which sets
// an address is; all prefixes with the same sets are one block. An except is a
// prefix where the count of its own set goes down by one, so it narrows its own
// block only, and the longest prefix decides. Node addresses are prefixes of
// full length. IPv4 and IPv6 have tries of their own.
//
// # Owners
//
// An address belongs to whoever claims it: an attached Pod before any other,
// and the latest claim before an older one. When the owner leaves, an older
// claimant that still claims the address gets it back. hostNetwork and finished
// Pods claim nothing.
//
// # What things cost
//
//   - PutPod with nothing new: one lookup and a comparison.
//   - PutPod with another class: the labels of the Pod. If nobody was in that
//     class before, also the sets that may contain it.
//   - AcquireSet, ReleaseSet: the requirements; at the next settling the
//     classes under the rarest one. A key that becomes live, or stops being
//     live, while Pods carry it costs one look at each Pod, once for all the
//     keys that changed between two questions: acquire all sets of a
//     transaction first, ask afterwards.
//   - UpdateSet of addresses: a comparison of strings per block that stays, and
//     for each prefix that differs its depth and the prefixes inside it.
//   - PutNamespace: the classes of the namespace. PutNode: the sets of nodes.
//   - Flush: what changed. Snapshot: nothing; the next change of an entry
//     copies the dozen entries beside it.
//   - Memory: at most 600 bytes per Pod with a handful of labels; see
//     TestMemoryPerPod.
//
// # What it promises
//
// Numbers of classes and blocks are hashes of what they stand for, so an agent
// that restarts, or another process, arrives at the same numbers; two keys with
// the same hash take neighbouring numbers, in the order in which they came.
// Changes are net effects in a fixed order. A Snapshot never changes.
//
// It never looks at rules, flows, the network or the clock, never fails for
// want of an object (a Pod before its Namespace, an attachment before its Pod),
// and never holds what nobody mentions any longer. It is not safe for use by
// several goroutines; Snapshots are. When the process dies everything in it is
// gone, and is told again by the API and by what CNI left on record.
package inventory
