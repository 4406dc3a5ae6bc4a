// The spec of a TimeWindow: who, what, and when.

import {
  Action, Addresses, Block, Declaration, Direction, Json, Obj, Operator, Pods, Port, Protocol, Rule, Selector, Tier,
} from "@sluice-net/sdk/assembly";
import { Window } from "./window";

export class Spec {
  fault: string = "";
  private windows: Window[] = [];
  private labels: Selector = new Selector();
  private direction: Direction = Direction.Egress;
  private action: Action = Action.Unspecified;
  private namespaces: string[] = [];
  private cidrs: string[] = [];
  private ports: Port[] = [];

  static read(o: Obj): Spec {
    const s = new Spec();
    const j = new Json(o.json);
    j.object();
    while (j.key()) if (j.name == "spec") s.take(j);
    j.end();
    s.fault = j.fault;
    if (s.fault.length == 0 && s.action == Action.Unspecified) s.fault = "spec.action is needed: Allow, Deny, Reject or Pass";
    if (s.fault.length == 0 && s.windows.length == 0) s.fault = "spec.windows is empty: the rule would never hold";
    return s;
  }

  private take(j: Json): void {
    j.object();
    while (j.key()) {
      if (j.name == "podLabels") this.takeLabels(j);
      else if (j.name == "direction") {
        const i = ["Ingress", "Egress"].indexOf(j.string());
        if (i < 0) j.fail("spec.direction is neither Ingress nor Egress");
        else this.direction = <Direction>(i + 1);
      } else if (j.name == "action") {
        const i = ["Allow", "Deny", "Reject", "Pass"].indexOf(j.string());
        if (i < 0) j.fail("spec.action is none of Allow, Deny, Reject, Pass");
        else this.action = <Action>(i + 1);
      } else if (j.name == "namespaces") this.namespaces = texts(j);
      else if (j.name == "cidrs") this.cidrs = texts(j);
      else if (j.name == "ports") this.takePorts(j);
      else if (j.name == "windows") {
        j.array();
        while (j.element()) this.windows.push(Window.read(j));
      } else j.fail("spec." + j.name + " is unknown");
    }
  }

  private takeLabels(j: Json): void {
    j.object();
    while (j.key()) {
      const key = j.name;
      this.labels.and(key, Operator.In, [j.string()]);
    }
  }

  private takePorts(j: Json): void {
    j.array();
    while (j.element()) {
      let protocol = Protocol.TCP, port: i64 = 0;
      j.object();
      while (j.key()) {
        if (j.name == "protocol") {
          const i = ["TCP", "UDP", "SCTP"].indexOf(j.string());
          if (i < 0) j.fail("a protocol is none of TCP, UDP, SCTP");
          else protocol = [Protocol.TCP, Protocol.UDP, Protocol.SCTP][i];
        } else if (j.name == "port") port = j.integer();
      }
      if (port < 1 || port > 65535) j.fail("a port is not between 1 and 65535");
      this.ports.push(Port.one(protocol, <u16>port));
    }
  }

  holds(unix: i64): bool {
    for (let i = 0; i < this.windows.length; i++) if (this.windows[i].holds(unix)) return true;
    return false;
  }

  // What the object stands for while it holds. The other end may be any of the
  // namespaces and CIDRs; without either, anything.
  say(d: Declaration, o: Obj): void {
    const id = o.namespace + "/" + o.name;
    d.set(id, Pods.ofNamespaces([o.namespace]).with(this.labels));
    const rule = new Rule(Tier.Admin, this.direction, this.action).about([id]).on(this.ports).from(o.origin("spec"));
    const peers: string[] = [];
    if (this.namespaces.length > 0) {
      peers.push(id + "/namespaces");
      d.set(id + "/namespaces", Pods.ofNamespaces(this.namespaces));
    }
    if (this.cidrs.length > 0) {
      peers.push(id + "/cidrs");
      const blocks: Block[] = [];
      for (let i = 0; i < this.cidrs.length; i++) blocks.push(new Block(this.cidrs[i]));
      d.set(id + "/cidrs", new Addresses(blocks));
    }
    d.rule(id, peers.length > 0 ? rule.with(peers) : rule.withAnybody());
  }
}

function texts(j: Json): string[] {
  const all: string[] = [];
  j.array();
  while (j.element()) all.push(j.string());
  return all;
}
