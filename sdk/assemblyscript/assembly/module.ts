// The event loop, and the two functions that a module exports.

import { Declarations } from "./declare";
import { Event, EventKind, Obj } from "./event";
import { logText, recv } from "./host";
import { Tx } from "./tx";
import { Reader } from "./wire";

// Policy logic. The host's events come one at a time; what is done with the Tx
// takes effect at the end of the batch. Methods that are not needed are left out.
export abstract class Module {
  // Forget everything: what follows, in the same batch, is the whole state.
  reset(): void {}
  // The operator's configuration: JSON, or empty. First after a reset.
  configure(tx: Tx, json: string): void {}
  // An object is new or has changed.
  put(tx: Tx, o: Obj): void {}
  // An object is gone.
  gone(tx: Tx, o: Obj): void {}
  // The wall clock, in nanoseconds since 1970-01-01 UTC, if the manifest asks for it.
  tick(tx: Tx, unixNanos: i64): void {}
  // After the last event of each batch.
  finish(tx: Tx): void {}
}

// The answers of sluice_handle.
const COMMIT = 0, CANNOT_DO = 1, UNREADABLE = 2;

// The one module of this Wasm file, and what it has in force.
let module: Module | null = null;
let declared: Declarations = new Declarations();

// Says what the module is: once, at the top level of the entry file.
export function start(m: Module): void { module = m; }

export function sluice_abi_v1(): void {}

export function sluice_handle(length: i32): i32 {
  const batch = new ArrayBuffer(length);
  const received = recv(changetype<usize>(batch), length);
  if (received < 0) unreachable();
  return handle(batch, received);
}

function handle(batch: ArrayBuffer, length: i32): i32 {
  const m = module;
  if (m === null) {
    logText(3, "no module: call start() at the top level of the entry file");
    return UNREADABLE;
  }
  const from = changetype<usize>(batch), to = from + length;
  let sequence: u64 = 0, reset = false;
  const head = new Reader(from, to);
  while (head.next()) {
    if (head.field == 1) sequence = head.number();
    if (head.field == 2) reset = head.number() != 0;
  }
  if (head.fault.length > 0) return unreadable(head.fault);
  if (reset) {
    declared = new Declarations();
    m.reset();
  }
  const tx = new Tx(sequence, reset, declared);
  const events = new Reader(from, to);
  while (events.next()) {
    if (events.field != 3) continue;
    const e = Event.read(events);
    if (events.fault.length > 0) break;
    if (e.kind == EventKind.Configure) m.configure(tx, e.object.json);
    else if (e.kind == EventKind.Put) m.put(tx, e.object);
    else if (e.kind == EventKind.Delete) m.gone(tx, e.object);
    else if (e.kind == EventKind.Tick) m.tick(tx, e.unixNanos);
  }
  if (events.fault.length > 0) return unreadable(events.fault);
  m.finish(tx);
  return tx.end() ? COMMIT : CANNOT_DO;
}

function unreadable(why: string): i32 {
  logText(3, "batch: " + why);
  return UNREADABLE;
}
