// A host for tests under node: it runs a module's Wasm file and keeps what the
// module has in force.
//
//   import { Host } from "@sluice-net/sdk/testing";
//   const host = await Host.load(process.env.SLUICE_MODULE, { label: "app" });
//   host.put("namespaces", { metadata: { name: "shop" } });
//   assert(host.rules.has("shop"));
//   await host.checkReset();
//
// It works for modules in every language. It applies a batch whole or not at all,
// and refuses what the ABI refuses. checkReset hands the whole state to fresh
// instances, in several orders, and throws unless they end with the same sets,
// rules and isolations: a batch must be a pure function of state.

import { readFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { decodeRequests, encodeBatch } from "./codec.mjs";

// The answers of sluice_handle, and of emit.
export const COMMIT = 0, CANNOT_DO = 1;
const MALFORMED = -1, TOO_LARGE = -2, UNKNOWN_SET = -5;

class State {
  sets = new Map();
  rules = new Map();
  isolations = new Map();

  copy() {
    const s = new State();
    for (const kind of Object.keys(this)) s[kind] = new Map(this[kind]);
    return s;
  }

  // All of it in one form, whatever the order was.
  sorted() {
    return Object.keys(this).map((kind) => [...this[kind]].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, spec]) => {
      const blocks = spec.addresses?.blocks;
      return [name, blocks ? [...blocks].sort((a, b) => (a.cidr < b.cidr ? -1 : 1)) : spec];
    }));
  }

  knows(...lists) { return lists.flat().every((name) => name === undefined || this.sets.has(name)); }

  whole() {
    return [...this.rules.values()].every((r) => this.knows(r.subjects, r.peers ?? [])) &&
      [...this.isolations.values()].every((i) => this.knows(i.subjects));
  }

  // Answers as sluice.emit does.
  apply(request) {
    const [[kind, body]] = Object.entries(request);
    if (kind === "report") return 0;
    const { name = "", rule = {}, isolation = {} } = body;
    const length = Buffer.byteLength(name);
    if (length === 0) return MALFORMED;
    if (length > 253) return TOO_LARGE;
    switch (kind) {
      case "putSet": {
        const { pods, nodes, addresses } = body;
        if (!(pods ?? nodes ?? addresses) || (pods && !pods.namespaces && !pods.namespaceSelector)) return MALFORMED;
        this.sets.set(name, { pods, nodes, addresses });
        break;
      }
      case "patchSet": {
        const old = this.sets.get(name)?.addresses;
        if (!old) return UNKNOWN_SET;
        const { add = [], remove = [] } = body;
        const gone = new Set([...remove, ...add.map((b) => b.cidr)]);
        this.sets.set(name, { addresses: { blocks: [...(old.blocks ?? []).filter((b) => !gone.has(b.cidr)), ...add] } });
        break;
      }
      case "deleteSet": this.sets.delete(name); break;
      case "putRule":
        if (!rule.tier || !rule.direction || !rule.action || !rule.subjects || !rule.anyPeer === !rule.peers) return MALFORMED;
        if (!this.knows(rule.subjects, rule.peers ?? [])) return UNKNOWN_SET;
        this.rules.set(name, rule);
        break;
      case "deleteRule": this.rules.delete(name); break;
      case "putIsolation":
        if (!isolation.tier || !isolation.direction || !isolation.subjects) return MALFORMED;
        if (!this.knows(isolation.subjects)) return UNKNOWN_SET;
        this.isolations.set(name, isolation);
        break;
      case "deleteIsolation": this.isolations.delete(name); break;
    }
    return 0;
  }
}

// One instance of a module, and the imports that it has.
class Instance {
  state = new State();
  sequence = 0n;

  static async of(compiled) {
    const i = new Instance();
    const memory = (at, length) => new Uint8Array(i.exports.memory.buffer, at >>> 0, length >>> 0);
    const imports = {
      sluice: {
        recv: (to, room) => {
          if (room >>> 0 < i.batch.length) return -2;
          memory(to, i.batch.length).set(i.batch);
          return i.batch.length;
        },
        emit: (from, length) => i.stage(memory(from, length).slice()),
        log: (level, from, length) => { i.outcome?.log.push(new TextDecoder().decode(memory(from, length))); },
      },
    };
    i.exports = (await WebAssembly.instantiate(compiled, imports)).exports;
    i.exports._initialize?.();
    return i;
  }

  stage(bytes) {
    let answer = this.refusal ?? 0;
    this.refusal = undefined;
    try {
      for (const request of answer === 0 ? decodeRequests(bytes) : []) {
        this.outcome.requests.push(request);
        answer = answer || this.staged.apply(request);
      }
    } catch (fault) {
      this.outcome.log.push(`host: ${fault.message}`);
      answer = MALFORMED;
    }
    this.refused ||= answer !== 0;
    return answer;
  }

  handle(reset, events) {
    this.batch = encodeBatch({ sequence: ++this.sequence, reset, events });
    this.outcome = { code: 0, requests: [], log: [] };
    this.staged = reset ? new State() : this.state.copy();
    this.refused = false;
    this.outcome.code = this.exports.sluice_handle(this.batch.length);
    if (this.outcome.code !== COMMIT || this.refused) return this.outcome;
    if (!this.staged.whole()) throw new Error(`batch ${this.sequence}: a set is gone that is still named`);
    this.state = this.staged;
    return this.outcome;
  }
}

export class Host {
  objects = new Map();
  tickAt = undefined;

  // Starts the module in a Wasm file (a path, or bytes) with a configuration.
  static async load(wasm, config) {
    const host = new Host();
    host.compiled = await WebAssembly.compile(typeof wasm === "string" ? await readFile(wasm) : wasm);
    host.config = config === undefined ? "" : JSON.stringify(config);
    host.running = await Instance.of(host.compiled);
    host.reset();
    return host;
  }

  get sets() { return this.running.state.sets; }
  get rules() { return this.running.state.rules; }
  get isolations() { return this.running.state.isolations; }

  // Each hands one batch over and gives {code, requests, log}.
  put(resource, ...objects) {
    return this.running.handle(false, objects.map((o) => {
      const { namespace = "", name } = o.metadata;
      const event = { objectPut: { resource, namespace, name, json: JSON.stringify(o) } };
      this.objects.set(`${resource}/${namespace}/${name}`, event);
      return event;
    }));
  }

  gone(resource, namespace, name) {
    this.objects.delete(`${resource}/${namespace}/${name}`);
    return this.running.handle(false, [{ objectDelete: { resource, namespace, name } }]);
  }

  configure(config) {
    this.config = JSON.stringify(config);
    return this.running.handle(false, [{ configure: { json: this.config } }]);
  }

  tick(date) {
    this.tickAt = BigInt(date.getTime()) * 1000000n;
    return this.running.handle(false, [{ tick: { unixNanos: this.tickAt } }]);
  }

  reset() { return this.running.handle(true, this.whole([...this.objects.values()])); }

  // Answers the next call of emit with this instead of staging.
  refuse(code) { this.running.refusal = code; }

  whole(objects) {
    const tick = this.tickAt === undefined ? [] : [{ tick: { unixNanos: this.tickAt } }];
    return [{ configure: { json: this.config } }, ...tick, ...objects];
  }

  // Throws unless fresh instances that are handed the whole state end like this one.
  async checkReset() {
    const objects = [...this.objects.values()], half = objects.length >> 1;
    for (const order of [objects, [...objects].reverse(), [...objects.slice(half), ...objects.slice(0, half)]]) {
      const fresh = await Instance.of(this.compiled);
      const { code, log } = fresh.handle(true, this.whole(order));
      if (code !== COMMIT) throw new Error(`a fresh instance that is handed the whole state returns ${code}: ${log.join("; ")}`);
      const [byHistory, byReset] = [this.running.state.sorted(), fresh.state.sorted()];
      if (!isDeepStrictEqual(byHistory, byReset)) {
        throw new Error(`a fresh instance that is handed the whole state ends with\n${JSON.stringify(byReset)}\nthis one with\n${JSON.stringify(byHistory)}`);
      }
    }
  }
}
