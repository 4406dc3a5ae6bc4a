// Package sandbox runs one generation of one module in a process of its own.
//
// This package is the agent's side: it starts the child, speaks with it, and
// ends it. The child's side, with the Wasm engine, is package child, which only
// the program sluice-sandbox links; the agent contains no Wasm engine at all.
//
// What it promises: a call ends by its deadline whatever the module does,
// because the answer to a call that does not end is SIGKILL; the module's bytes
// are handed over only after the child has reported that it confined itself;
// a Process that was killed has been reaped, and its memory is the kernel's
// again. A frame from the child is never trusted: every size is bounded before
// anything is allocated.
//
// What it never does: retry, interpret flow requests, or keep a process whose
// call has failed. Every failure of a call ends the process.
//
// When the child dies: the call in progress fails with a *Failure, Done is
// closed. When the agent dies: the kernel kills the child (PR_SET_PDEATHSIG),
// and the child also ends when its socket closes.
package sandbox
