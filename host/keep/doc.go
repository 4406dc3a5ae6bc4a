// Package keep writes files that outlive the agent.
//
// It promises that a file is replaced whole or not at all, also when the machine
// loses power; that what is read is what was written, or an error; and that nobody
// but the owner can read it.
//
// It never keeps more than one version, and never removes what it did not write.
package keep
