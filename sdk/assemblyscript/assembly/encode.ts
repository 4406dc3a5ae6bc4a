// Whole requests, as fields of a RequestBatch. Each is given as bytes of its own.

import { Addresses, Block, Condition, Isolation, Origin, Rule, Spec } from "./request";
import { Writer } from "./wire";

// The kinds are their fields in FlowRequest.
export enum Kind { PutSet = 1, PatchSet, DeleteSet, PutRule, DeleteRule, PutIsolation, DeleteIsolation, Report }

// A set with more blocks is put with the first of them and patched with the
// rest, so that no request comes near the 1 MiB that one call of emit takes.
const BLOCKS_PER_REQUEST = 1024;

class Request {
  private w: Writer = new Writer();
  private outer: i32;
  private inner: i32;

  constructor(kind: Kind, name: string) {
    this.outer = this.w.open(1);
    this.inner = this.w.open(<u8>kind);
    this.w.text(1, name);
  }

  get body(): Writer { return this.w; }

  end(): Uint8Array {
    this.w.close(this.inner);
    this.w.close(this.outer);
    return this.w.taken();
  }
}

// A set, in one request or more.
export function putSet(name: string, spec: Spec): Uint8Array[] {
  if (!(spec instanceof Addresses) || (spec as Addresses).blocks.length <= BLOCKS_PER_REQUEST) {
    const r = new Request(Kind.PutSet, name);
    spec.write(r.body);
    return [r.end()];
  }
  const blocks = (spec as Addresses).blocks;
  const first = putSet(name, new Addresses(blocks.slice(0, BLOCKS_PER_REQUEST)));
  return first.concat(patchSet(name, blocks.slice(BLOCKS_PER_REQUEST), []));
}

export function patchSet(name: string, add: Block[], remove: string[]): Uint8Array[] {
  const all: Uint8Array[] = [];
  let adds = 0, removes = 0;
  do {
    const r = new Request(Kind.PatchSet, name);
    const some = min(remove.length - removes, BLOCKS_PER_REQUEST);
    const until = min(add.length, adds + BLOCKS_PER_REQUEST - some);
    for (; adds < until; adds++) add[adds].write(r.body, 2);
    r.body.texts(3, remove.slice(removes, removes + some));
    removes += some;
    all.push(r.end());
  } while (adds < add.length || removes < remove.length);
  return all;
}

export function putRule(name: string, rule: Rule): Uint8Array {
  const r = new Request(Kind.PutRule, name);
  rule.write(r.body);
  return r.end();
}

export function putIsolation(name: string, isolation: Isolation): Uint8Array {
  const r = new Request(Kind.PutIsolation, name);
  isolation.write(r.body);
  return r.end();
}

// A delete of any kind.
export function named(kind: Kind, name: string): Uint8Array { return new Request(kind, name).end(); }

export function report(object: Origin, condition: Condition): Uint8Array {
  const r = new Request(Kind.Report, "");
  object.write(r.body, 1);
  condition.write(r.body);
  return r.end();
}
