// Package binary reads from the file of a module what the host has to know
// before it starts anything: what the module imports and exports, and its
// manifest.
//
// It looks at the sections of a core WebAssembly binary and into the few that it
// needs; it validates no code and runs none. Input from a stranger never makes it
// panic or allocate more than a small multiple of the file. It reads the manifest
// with encoding/json and is therefore no part of package abi, which guests link.
//
// What it promises is about form: that a file passed Inspect does not mean that an
// engine will take it.
package binary
