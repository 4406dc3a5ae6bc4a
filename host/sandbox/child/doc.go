// Package child is the inside of the sandbox: what the program sluice-sandbox
// does. It confines its own process, compiles one module with wazero, and calls
// it for each batch that the agent sends.
//
// What it promises: when the first byte of the module is read the process has
// no privileges, no files, no network, and no system calls but those that the
// Go runtime needs to compute; a module that imports a function which is not in
// the ABI is refused before anything is compiled.
//
// What it never does: watch the time (the agent does, with SIGKILL), start a
// second instance, or go on after a fault.
//
// When it dies, the kernel takes everything back; there is nothing to clean up.
package child
