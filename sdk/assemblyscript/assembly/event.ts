// What the host says.

import { Origin } from "./request";
import { Reader } from "./wire";

// An object of the cluster, as in the Kubernetes API.
export class Obj {
  resource: string = "";
  namespace: string = "";
  name: string = "";
  uid: string = "";
  generation: i64 = 0;
  json: string = ""; // empty when the object is gone

  // "resource/namespace/name": for Tx.declaration, and for names (at most 253 bytes).
  id(): string { return this.resource + "/" + this.namespace + "/" + this.name; }

  // A place in the object that a request comes from; empty is all of it.
  origin(rule: string = ""): Origin { return new Origin(this.resource, this.namespace, this.name, rule); }
}

export enum EventKind { None = 0, Configure = 1, Put = 2, Delete = 3, Tick = 4 }

export class Event {
  kind: EventKind = EventKind.None;
  object: Obj = new Obj(); // its json is also the configuration
  unixNanos: i64 = 0;

  // The kind is None if it is one of a later version. A fault is the outer reader's.
  static read(outer: Reader): Event {
    let e = new Event();
    const event = outer.message();
    while (event.next()) {
      if (event.field > 4) continue;
      if (<u64>e.kind != event.field) { // the last kind wins, parts of one are merged
        e = new Event();
        e.kind = <EventKind>event.field;
      }
      const fields = event.message();
      while (fields.next()) e.take(fields);
      if (fields.fault.length > 0) event.fail(fields.fault);
    }
    if (event.fault.length > 0) outer.fail(event.fault);
    return e;
  }

  private take(r: Reader): void {
    const o = this.object;
    const object = this.kind == EventKind.Put || this.kind == EventKind.Delete;
    if (this.kind == EventKind.Tick) {
      if (r.field == 1) this.unixNanos = <i64>r.number();
    } else if (this.kind == EventKind.Configure) {
      if (r.field == 1) o.json = r.json();
    } else if (object && r.field == 1) o.resource = r.text();
    else if (object && r.field == 2) o.namespace = r.text();
    else if (object && r.field == 3) o.name = r.text();
    else if (object && r.field == 4) o.uid = r.text();
    else if (this.kind == EventKind.Put && r.field == 5) o.generation = <i64>r.number();
    else if (this.kind == EventKind.Put && r.field == 6) o.json = r.json();
  }
}
