package dns

//go:wasmimport sluice_dns enable
func enable()

// The import is the wish; Go's linker keeps it only if it is called.
func init() { enable() }
