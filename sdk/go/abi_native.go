//go:build !wasip1

package sluice

// Register does nothing outside of Wasm, so that the main package of a module
// compiles everywhere; tests make the module themselves and hand it to
// moduletest.
func Register(func() Module) {}
