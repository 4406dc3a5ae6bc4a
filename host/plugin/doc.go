// Package plugin runs policy modules: it loads and verifies them, spawns a
// sandbox for each generation, feeds events, stages what they emit, commits it,
// reloads and rolls back.
//
// What it promises:
//
//   - What one call of a module emits takes effect whole, through the Committer,
//     or not at all. A trap, a missed deadline, a frame or request that cannot be
//     read in full, or an exceeded bound makes the transaction void and ends the
//     process; what was committed before stays in force (fail-static).
//   - A module is never handed a part of the state as if it were the whole: a new
//     process gets a snapshot (reset) and then every event since; so does a
//     process whose last batch was void.
//   - A changed file is loaded beside the running generation, which goes on
//     working meanwhile, and takes over in one transaction that holds only the
//     difference. If anything about it fails, the running one is untouched and
//     Status says why.
//   - Status answers from memory, whatever the modules do.
//   - After Close no process, goroutine, file or directory is left.
//
// What it never does: run module code in the agent, retry a transaction that was
// void, remove what is in force because its author died, or write anywhere but
// through the Committer.
//
// When the agent dies the kernel ends the sandboxes. When a sandbox dies, the
// same generation is started again after a pause (100 ms, doubled up to 30 s);
// after five failures in a row the generation before it takes over.
package plugin
