// What stands for what, and the difference to what is in force.

import { named, Kind, putIsolation, putRule, putSet, report } from "./encode";
import { Condition, Isolation, Origin, Rule, Spec } from "./request";
import { Tx } from "./tx";

// One name of one kind. Requests are encoded; an empty list is "not there".
class Entry {
  owners: i32 = 0;
  wanted: Uint8Array[] = [];
  inForce: Uint8Array[] = [];
  constructor(public kind: Kind, public name: string) {}

  // Kinds in the order of putting; deletes go the other way.
  get order(): i32 { return this.kind == Kind.PutSet ? 0 : this.kind == Kind.PutIsolation ? 1 : this.kind == Kind.PutRule ? 2 : 3; }
}

function same(a: Uint8Array[], b: Uint8Array[]): bool {
  if (a.length != b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i].length != b[i].length || memory.compare(a[i].dataStart, b[i].dataStart, a[i].length) != 0) return false;
  }
  return true;
}

// What an owner stands for, while it is being said; it counts after end().
//
// Several owners may declare the same thing under the same name: it stays until
// the last of them lets go of it. A report is sent when it is new or has changed.
export class Declaration {
  private keys: string[] = [];
  private entries: Entry[] = [];

  constructor(private tx: Tx, private owner: string) {}

  private add(kind: Kind, name: string, requests: Uint8Array[]): Declaration {
    const e = new Entry(kind, name);
    e.wanted = requests;
    this.keys.push((<i32>kind).toString() + "/" + name);
    this.entries.push(e);
    return this;
  }

  set(name: string, spec: Spec): Declaration { return this.add(Kind.PutSet, name, putSet(name, spec)); }
  rule(name: string, rule: Rule): Declaration { return this.add(Kind.PutRule, name, [putRule(name, rule)]); }
  isolation(name: string, i: Isolation): Declaration { return this.add(Kind.PutIsolation, name, [putIsolation(name, i)]); }
  report(object: Origin, c: Condition): Declaration {
    const name = object.resource + "/" + object.namespace + "/" + object.name + "/" + object.rule + "/" + c.type;
    return this.add(Kind.Report, name, [report(object, c)]);
  }

  // That was all. If a name is there already with different content, the batch
  // fails and false is returned.
  end(): bool { return this.tx.declared.take(this.tx, this.owner, this.keys, this.entries); }
}

export class Declarations {
  private owners: Map<string, string[]> = new Map();
  private entries: Map<string, Entry> = new Map();
  private dirty: Set<string> = new Set();

  take(tx: Tx, owner: string, keys: string[], said: Entry[]): bool {
    const before = this.owners.has(owner) ? this.owners.get(owner) : [];
    const after: Map<string, Entry> = new Map();
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      const twice = after.has(key) && !same(after.get(key).wanted, said[i].wanted);
      const mine = before.includes(key) ? 1 : 0;
      const other = this.entries.has(key) && this.entries.get(key).owners > mine && !same(this.entries.get(key).wanted, said[i].wanted);
      if (twice || other) {
        tx.fail(said[i].name + " is declared by " + owner + " and is there already, with different content");
        return false;
      }
      after.set(key, said[i]);
    }
    for (let i = 0; i < before.length; i++) {
      const entry = this.entries.get(before[i]);
      if (--entry.owners == 0 && !after.has(before[i])) {
        entry.wanted = [];
        this.dirty.add(before[i]);
      }
    }
    const now = after.keys();
    for (let i = 0; i < now.length; i++) {
      const wanted = after.get(now[i]);
      if (!this.entries.has(now[i])) this.entries.set(now[i], new Entry(wanted.kind, wanted.name));
      const entry = this.entries.get(now[i]);
      entry.owners++;
      if (!same(entry.wanted, wanted.wanted)) {
        entry.wanted = wanted.wanted;
        this.dirty.add(now[i]);
      }
    }
    if (now.length > 0) this.owners.set(owner, now);
    else this.owners.delete(owner);
    return true;
  }

  // The requests that make the host's state the wanted one. Deletes come first, so
  // that a module near a limit of the host can swap one thing for another.
  difference(tx: Tx): void {
    const all = this.dirty.values().sort();
    for (let order = 2; order >= 0; order--) {
      for (let i = 0; i < all.length; i++) {
        const e = this.entries.get(all[i]);
        // A delete has the number after its put, but for sets.
        if (e.order == order && e.wanted.length == 0 && e.inForce.length > 0) tx.emit([named(e.kind == Kind.PutSet ? Kind.DeleteSet : <Kind>(<i32>e.kind + 1), e.name)]);
      }
    }
    for (let order = 0; order < 4; order++) {
      for (let i = 0; i < all.length; i++) {
        const e = this.entries.get(all[i]);
        if (e.order == order && e.wanted.length > 0 && !same(e.wanted, e.inForce)) tx.emit(e.wanted);
      }
    }
  }

  // The host has everything that is wanted.
  committed(): void {
    const all = this.dirty.values();
    for (let i = 0; i < all.length; i++) {
      const e = this.entries.get(all[i]);
      e.inForce = e.wanted;
      if (e.owners == 0) this.entries.delete(all[i]);
    }
    this.dirty.clear();
  }
}
