// Package transparency tests that nobody notices Sluice: the same packets are
// sent in a lab with Sluice and in the same lab without, and what arrives at
// either end is compared byte for byte. It also tests what the bridge itself
// answers (ARP, neighbour discovery), what it never lets through, and that no
// two flows are in doubt about a packet. The tests need root and `make build`.
package transparency
