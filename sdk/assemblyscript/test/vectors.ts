// A module for the SDK's own tests: asked by its configuration, it emits the
// requests of a golden vector, or reads JSON.
import {
  Action, Addresses, Block, Condition, Direction, Isolation, Json, Module, Nodes, Obj, Operator, Origin, Pods, Port, Protocol, Rule,
  Selector, Spec, Tier, Tx, Level, start,
} from "../assembly";
import { Writer } from "../assembly/wire";
export { sluice_abi_v1, sluice_handle } from "../assembly";

const policies = "networkpolicies.networking.k8s.io";

class Bare extends Spec {
  write(w: Writer): void {}
}

class Vectors extends Module {
  // An event is logged as it was read.
  put(tx: Tx, o: Obj): void {
    tx.log(Level.Info, "put|" + o.resource + "|" + o.namespace + "|" + o.name + "|" + o.uid + "|" + o.generation.toString() + "|" + o.json.length.toString() + "|" + o.json.substring(0, 40));
  }
  gone(tx: Tx, o: Obj): void { tx.log(Level.Info, "gone|" + o.resource + "|" + o.namespace + "|" + o.name + "|" + o.uid); }
  tick(tx: Tx, nanos: i64): void { tx.log(Level.Info, "tick|" + nanos.toString()); }
  finish(tx: Tx): void { tx.log(Level.Info, "batch|" + tx.sequence.toString() + "|" + tx.reset.toString()); }

  configure(tx: Tx, json: string): void {
    if (json == "requests-sets") this.sets(tx);
    else if (json == "requests-rules") this.rules(tx);
    else if (json == "requests-large") {
      const ports: Port[] = [];
      for (let i: u16 = 1; i <= 399; i++) ports.push(Port.one(Protocol.TCP, i));
      tx.putRule("n".repeat(253), new Rule(0, 0, 0).about(["s"]).on(ports));
    } else if (json == "requests-readme") {
      tx.putSet("shop", Pods.ofNamespaces(["shop"]));
      tx.putRule("in", new Rule(Tier.Baseline, Direction.Ingress, Action.Allow).at(-1).about(["shop"]).with(["shop"]));
    } else if (json.startsWith("large ")) {
      const blocks: Block[] = [];
      for (let i = 0; i < 10000; i++) blocks.push(new Block("10." + (i >> 8).toString() + "." + (i & 255).toString() + ".0/24"));
      tx.putSet("large", new Addresses(blocks));
    } else if (json.startsWith("integer ")) {
      const j = new Json(json.substring(8));
      const v = j.integer();
      j.end();
      tx.log(Level.Info, j.fault.length > 0 ? "refused" : v.toString());
    } else if (json.startsWith("json ")) {
      const j = new Json(json.substring(5));
      j.skip();
      j.end();
      tx.log(Level.Info, j.fault.length > 0 ? "refused" : "good");
    } else if (json.startsWith("read ")) this.read(tx, json.substring(5));
    else tx.log(Level.Info, "configure|" + json);
  }

  private read(tx: Tx, text: string): void {
    const j = new Json(text);
    let out = "", keys = 0;
    j.object();
    while (j.key()) {
      keys++;
      if (j.name == "name") out += j.string() + "|";
      else if (j.name == "list") {
        j.array();
        while (j.element()) out += j.string();
      } else if (j.name == "none") {
        j.object();
        while (j.key()) out += "?";
      } else if (j.name == "yes") out += j.bool().toString();
      else if (j.name == "deep") {
        j.object();
        while (j.key()) {
          j.object();
          while (j.key()) out += j.integer().toString();
        }
      }
    }
    j.end();
    tx.log(Level.Info, keys.toString() + "|" + out + "|" + j.fault);
  }

  private sets(tx: Tx): void {
    const shop = Pods.ofNamespaces(["shop", "stock"]);
    shop.namespaceSelector = new Selector().and("team", Operator.In, ["a", "b"]);
    tx.putSet("pods-of-shop", shop.with(new Selector().and("app", Operator.NotIn, ["db"]).and("tier", Operator.Exists).and("old", Operator.DoesNotExist)));
    tx.putSet("everything", Pods.everywhere());
    tx.putSet("empty-strings", Pods.ofNamespaces(["", "x"]));
    tx.putSet("workers", new Nodes(new Selector().and("role", Operator.In, ["worker"])));
    tx.putSet("all-nodes", new Nodes());
    tx.putSet("lan", new Addresses([new Block("10.0.0.0/8", ["10.1.0.0/16", "10.2.0.0/16"]), new Block("2001:db8::/32")]));
    tx.putSet("no-address", new Addresses());
    tx.putSet("no-spec", new Bare());
    tx.patchSet("lan", [new Block("192.0.2.0/24", ["192.0.2.1/32"]), new Block("")], ["10.0.0.0/8", "2001:db8::/32"]);
    tx.deleteSet("lan");
    tx.deleteSet("");
  }

  private rules(tx: Tx): void {
    tx.putRule("shop/db-from-web/ingress/0", new Rule(Tier.Network, Direction.Ingress, Action.Allow).at(1000).about(["db", "cache"]).with(["web"]).on([
      Port.one(Protocol.TCP, 5432), Port.range(Protocol.UDP, 1, 65535), Port.named(Protocol.SCTP, "sctp-port"), Port.ofICMP(Protocol.ICMP, 8, -1),
      Port.ofICMP(Protocol.ICMPv6, 128, 255), Port.ofICMP(Protocol.ICMP, 0, 0), new Port(),
    ]).logged().from(new Origin(policies, "shop", "db-from-web", "ingress[0]")));
    tx.putRule("deny", new Rule(Tier.Admin, Direction.Egress, Action.Deny).at(i32.MIN_VALUE).withAnybody());
    tx.putRule("reject", new Rule(Tier.Baseline, 0, Action.Reject).at(i32.MAX_VALUE));
    tx.putRule("pass", new Rule(0, 0, Action.Pass).at(-1));
    tx.putRule("bare", new Rule(0, 0, 0));
    tx.deleteRule("pass");
    tx.putIsolation("iso", new Isolation(Tier.Network, Direction.Egress, ["db"], new Origin("", "", "db-from-web")));
    tx.putIsolation("", new Isolation(0, 0, []));
    tx.deleteIsolation("iso");
    tx.report(new Origin(policies, "shop", "bad", "egress[1]"), new Condition("Accepted", false, "PortName", "port \"http\" names nothing"));
    tx.report(new Origin(), new Condition("Accepted", true));
    tx.report(new Origin(), new Condition("", false));
  }
}
start(new Vectors());
