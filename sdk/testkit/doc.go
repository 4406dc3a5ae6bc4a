// Package testkit asks of any policy module, whatever it is written in, whether
// it keeps to the ABI: abi/README.md, section by section. It needs the Wasm file
// alone, and better some objects of the kinds that the module watches.
//
// The module runs in its real sandbox, with the limits and grants that its
// manifest asks for, and what it emits is staged by the host's own policy store.
// So a module that passes is one that an agent takes.
//
// What it does not ask is whether the module means what its author meant: that
// is for tests of the module's own, and for scenarios (`sluicectl module test`).
package testkit
