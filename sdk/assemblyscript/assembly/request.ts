// What a module asks for: section 6 of the ABI.

import { Writer } from "./wire";

export enum Tier { Unspecified = 0, Admin = 1, Network = 2, Baseline = 3 }
export enum Direction { Unspecified = 0, Ingress = 1, Egress = 2 }
export enum Action { Unspecified = 0, Allow = 1, Deny = 2, Reject = 3, Pass = 4 }
export enum Operator { Unspecified = 0, In = 1, NotIn = 2, Exists = 3, DoesNotExist = 4 }
// IANA numbers; 0 is every protocol.
export enum Protocol { ICMP = 1, TCP = 6, UDP = 17, ICMPv6 = 58, SCTP = 132 }

export class Requirement {
  constructor(public key: string, public operator: Operator, public values: string[] = []) {}
}

// All requirements must hold; without any it selects everything.
export class Selector {
  constructor(public requirements: Requirement[] = []) {}

  and(key: string, operator: Operator, values: string[] = []): Selector {
    this.requirements.push(new Requirement(key, operator, values));
    return this;
  }

  write(w: Writer): void {
    for (let i = 0; i < this.requirements.length; i++) {
      const r = this.requirements[i];
      const at = w.open(1);
      w.text(1, r.key);
      w.number(2, r.operator);
      w.texts(3, r.values);
      w.close(at);
    }
  }
}

// A named collection of peers: Pods, Nodes or Addresses.
export abstract class Spec {
  abstract write(w: Writer): void;
}

export class Pods extends Spec {
  namespaces: string[] = [];
  // null selects no namespace, an empty selector every one.
  namespaceSelector: Selector | null = null;
  podSelector: Selector = new Selector();

  static ofNamespaces(names: string[]): Pods {
    const p = new Pods();
    p.namespaces = names;
    return p;
  }

  static ofNamespacesWith(selector: Selector): Pods {
    const p = new Pods();
    p.namespaceSelector = selector;
    return p;
  }

  static everywhere(): Pods { return Pods.ofNamespacesWith(new Selector()); }

  // Of these, the Pods with such labels.
  with(selector: Selector): Pods {
    this.podSelector = selector;
    return this;
  }

  write(w: Writer): void {
    const at = w.open(2);
    w.texts(1, this.namespaces);
    const s = this.namespaceSelector;
    if (s !== null) { // empty is "every namespace": it must be written
      const inner = w.open(2);
      s.write(w);
      w.close(inner);
    }
    const inner = w.open(3);
    this.podSelector.write(w);
    w.closeUnlessEmpty(inner);
    w.close(at);
  }
}

export class Nodes extends Spec {
  constructor(public selector: Selector = new Selector()) { super(); }

  write(w: Writer): void {
    const at = w.open(3);
    const inner = w.open(1);
    this.selector.write(w);
    w.closeUnlessEmpty(inner);
    w.close(at);
  }
}

// The addresses of cidr that are in none of except.
export class Block {
  constructor(public cidr: string, public except: string[] = []) {}

  write(w: Writer, field: u8): void {
    const at = w.open(field);
    w.text(1, this.cidr);
    w.texts(2, this.except);
    w.close(at);
  }
}

// Any number of blocks; large sets are sent in parts.
export class Addresses extends Spec {
  constructor(public blocks: Block[] = []) { super(); }

  write(w: Writer): void {
    const at = w.open(4);
    for (let i = 0; i < this.blocks.length; i++) this.blocks[i].write(w, 1);
    w.close(at);
  }
}

export class Port {
  first: u16 = 0;
  last: u16 = 0;
  name: string = "";
  icmp: bool = false; // type and code are looked at
  type: u8 = 0;
  code: u8 = 0;
  anyCode: bool = false;

  // Every port of a protocol.
  constructor(public protocol: Protocol = 0) {}

  static one(protocol: Protocol, port: u16): Port { return Port.range(protocol, port, port); }

  static range(protocol: Protocol, first: u16, last: u16): Port {
    const p = new Port(protocol);
    p.first = first;
    p.last = last;
    return p;
  }

  // The port that the destination Pod gives this name.
  static named(protocol: Protocol, name: string): Port {
    const p = new Port(protocol);
    p.name = name;
    return p;
  }

  // A type of ICMP or ICMPv6; a code below 0 is every code.
  static ofICMP(protocol: Protocol, type: u8, code: i32): Port {
    const p = new Port(protocol);
    p.icmp = true;
    p.type = type;
    p.anyCode = code < 0;
    p.code = code < 0 ? 0 : <u8>code;
    return p;
  }

  write(w: Writer): void {
    const at = w.open(7);
    w.number(1, this.protocol);
    w.number(2, this.first);
    w.number(3, this.last);
    w.text(4, this.name);
    if (this.icmp) { // empty is "type 0, code 0": it must be written
      const icmp = w.open(5);
      w.number(1, this.type);
      w.number(2, this.code);
      w.number(3, this.anyCode ? 1 : 0);
      w.close(icmp);
    }
    w.close(at);
  }
}

// Where a request comes from, in the words of its author.
export class Origin {
  constructor(public resource: string = "", public namespace: string = "", public name: string = "", public rule: string = "") {}

  write(w: Writer, field: u8): void {
    const at = w.open(field);
    w.text(1, this.resource);
    w.text(2, this.namespace);
    w.text(3, this.name);
    w.text(4, this.rule);
    w.closeUnlessEmpty(at);
  }
}

export class Rule {
  priority: i32 = 0; // the higher is asked first
  subjects: string[] = [];
  peers: string[] = [];
  anyPeer: bool = false;
  ports: Port[] = [];
  log: bool = false;
  origin: Origin = new Origin();

  constructor(public tier: Tier, public direction: Direction, public action: Action) {}

  // Sets of Pods that it is about.
  about(subjects: string[]): Rule { this.subjects = subjects; return this; }
  // Sets one of which the other end is in.
  with(peers: string[]): Rule { this.peers = peers; return this; }
  // The other end may be anything.
  withAnybody(): Rule { this.anyPeer = true; return this; }
  on(ports: Port[]): Rule { this.ports = ports; return this; }
  at(priority: i32): Rule { this.priority = priority; return this; }
  logged(log: bool = true): Rule { this.log = log; return this; }
  from(origin: Origin): Rule { this.origin = origin; return this; }

  write(w: Writer): void {
    const at = w.open(2);
    w.number(1, this.tier);
    w.number(2, this.direction);
    w.number(3, <u64><i64>this.priority);
    w.texts(4, this.subjects);
    w.texts(5, this.peers);
    w.number(6, this.anyPeer ? 1 : 0);
    for (let i = 0; i < this.ports.length; i++) this.ports[i].write(w);
    w.number(8, this.action);
    w.number(9, this.log ? 1 : 0);
    this.origin.write(w, 10);
    w.closeUnlessEmpty(at);
  }
}

// Denies, at the end of a tier, what no rule of that tier decided.
export class Isolation {
  constructor(public tier: Tier, public direction: Direction, public subjects: string[], public origin: Origin = new Origin()) {}

  write(w: Writer): void {
    const at = w.open(2);
    w.number(1, this.tier);
    w.number(2, this.direction);
    w.texts(3, this.subjects);
    this.origin.write(w, 4);
    w.closeUnlessEmpty(at);
  }
}

export class Condition {
  constructor(public type: string, public status: bool, public reason: string = "", public message: string = "") {}

  write(w: Writer): void {
    const at = w.open(2);
    w.text(1, this.type);
    w.number(2, this.status ? 1 : 0);
    w.text(3, this.reason);
    w.text(4, this.message);
    w.closeUnlessEmpty(at);
  }
}
