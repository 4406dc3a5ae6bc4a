// What the author of a Sluice policy module in AssemblyScript imports.
//
//   import { Module, Tx, Obj, Pods, Rule, Tier, Direction, Action, start } from "@sluice-net/sdk/assembly";
//   export { sluice_abi_v1, sluice_handle } from "@sluice-net/sdk/assembly";
//
//   class Neighbours extends Module {
//     put(tx: Tx, o: Obj): void {
//       tx.declaration(o.id())
//         .set(o.name, Pods.ofNamespaces([o.name]))
//         .rule(o.name, new Rule(Tier.Baseline, Direction.Ingress, Action.Allow).about([o.name]).with([o.name]))
//         .end();
//     }
//     gone(tx: Tx, o: Obj): void { tx.declaration(o.id()).end(); }
//   }
//   start(new Neighbours());
//
// The contract is abi/README.md of Sluice.
export * from "./request";
export { Obj } from "./event";
export { Declaration } from "./declare";
export { Level, Tx } from "./tx";
export { Json } from "./json";
export { stop } from "./abort"; // for asc: --use abort=...
export { Module, start, sluice_abi_v1, sluice_handle } from "./module";
