// timewindow puts rules in force for some hours of some days: see README.md.
//
// What holds depends on the objects and on the last tick alone, so every node and
// every new instance comes to the same answer.

import { Condition, Module, Obj, Tx, start } from "@sluice-net/sdk/assembly";
import { Spec } from "./spec";
export { sluice_abi_v1, sluice_handle } from "@sluice-net/sdk/assembly";

const RESOURCE = "timewindows.policy.sluice.dev";

// One object as it was read.
class Known {
  constructor(public object: Obj, public spec: Spec) {}
}

class TimeWindow extends Module {
  private known: Map<string, Known> = new Map();
  private now: i64 = -1; // seconds since 1970; below 0 until the first tick

  reset(): void {
    this.known.clear();
    this.now = -1;
  }

  put(tx: Tx, o: Obj): void {
    if (o.resource != RESOURCE) return;
    const known = new Known(o, Spec.read(o));
    this.known.set(o.id(), known);
    this.say(tx, known);
  }

  gone(tx: Tx, o: Obj): void {
    if (o.resource != RESOURCE) return;
    this.known.delete(o.id());
    tx.declaration(o.id()).end();
  }

  tick(tx: Tx, unixNanos: i64): void {
    this.now = unixNanos / 1_000_000_000;
    const all = this.known.values();
    for (let i = 0; i < all.length; i++) this.say(tx, all[i]);
  }

  // Declares what an object stands for at this moment.
  private say(tx: Tx, known: Known): void {
    const o = known.object, spec = known.spec, id = o.id();
    const d = tx.declaration(id);
    if (spec.fault.length > 0) {
      d.report(o.origin(), new Condition("Accepted", false, "Invalid", spec.fault)).end();
      return;
    }
    d.report(o.origin(), new Condition("Accepted", true, "Read"));
    if (this.now < 0) {
      d.report(o.origin(), new Condition("Active", false, "NoClock", "the host has not said yet what time it is")).end();
      return;
    }
    const active = spec.holds(this.now);
    d.report(o.origin(), new Condition("Active", active, active ? "InWindow" : "OutsideOfWindows"));
    if (active) spec.say(d, o);
    d.end();
  }
}
start(new TimeWindow());
