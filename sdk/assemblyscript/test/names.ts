// A module for the SDK's own tests: for each namespace a set and a rule, and a
// set that all of them share.
import { Action, Condition, Direction, Module, Obj, Pods, Rule, Tier, Tx, start } from "../assembly";
export { sluice_abi_v1, sluice_handle } from "../assembly";

class Names extends Module {
  put(tx: Tx, o: Obj): void {
    if (o.name == "bad") return tx.fail("cannot do this");
    if (o.name == "beyond") tx.log(0, ["a"][o.name.length]);
    if (o.name == "conflict") {
      tx.declaration(o.id()).set("shared", Pods.ofNamespaces(["other"])).end();
      return;
    }
    tx.declaration(o.id())
      .set("shared", Pods.everywhere())
      .set(o.name, Pods.ofNamespaces([o.name]))
      .rule(o.name, new Rule(Tier.Admin, Direction.Ingress, Action.Deny).about([o.name]).with(["shared"]))
      .report(o.origin(), new Condition("Accepted", true, "Translated"))
      .end();
  }
  gone(tx: Tx, o: Obj): void { tx.declaration(o.id()).end(); }
}
start(new Names());
