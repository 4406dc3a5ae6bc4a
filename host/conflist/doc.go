// Package conflist chains sluice-cni behind the node's primary CNI plugin: it derives a list of plugins from the primary's
// configuration and keeps it beside that, under a name that container runtimes read first.
//
// What it promises:
//
//   - The primary's own file is read and never written.
//   - What a runtime sees of ours is whole: it is written under a name that runtimes do not read and then renamed.
//   - Ours follows the primary's: when that is rewritten, ours is derived anew; when it goes, ours goes. A primary's file that
//     cannot be read yet, because it is half-written, changes nothing until it can.
//   - A file that is not ours is never replaced or removed.
//
// What it never does: choose another primary than the runtime would, or chain behind a plugin whose Pods cannot be put on a
// bridge (Refused says why).
//
// When the process dies the list stays, and new Pods wait for the agent, as sluice-cni answers "try again later". Remove, when
// Sluice is uninstalled, lets the primary work alone again.
package conflist
