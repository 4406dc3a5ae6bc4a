// Package toolchain turns the folder of a policy module, in any of the
// languages that have an SDK, into one Wasm file with its manifest, and runs the
// module's own tests. `make modules` and `sluicectl module` use it.
//
// The language is read off the files beside manifest.json:
//
//	main.go              Go               go
//	Cargo.toml           Rust             rustc, cargo, the target wasm32-unknown-unknown
//	main.c               C                clang and wasm-ld; cc for the tests
//	assembly/index.ts    AssemblyScript   node, and assemblyscript from npm
//
// A compiler that is not there is a *MissingError, which names the packages that
// bring it. The package never installs or downloads anything itself, and writes
// nothing into the module's folder; what compilers keep between two runs goes to
// the folder of the output. The output is replaced whole or not at all: an agent
// may be watching it.
package toolchain
