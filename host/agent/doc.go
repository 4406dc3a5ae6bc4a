// Package agent puts the parts of a node together. Read it first.
//
//	                             ┌─────▶ proxy ────────┐  (Services)
//	cluster.Source ──events──▶ engine ──▶ inventory ──▶ datapath ──bundle──▶ Open vSwitch
//	                  │          ▲  ▲
//	                  ▼          │  └── attach (CNI requests: a Pod's veth joins or leaves)
//	              plugin ──transactions
//	          (a sandbox per module)
//
// The engine is the single writer: one goroutine owns the inventory, the policy
// layers, the Services and the datapath. Everybody else sends it messages and
// waits. Messages that arrive together are realised together, in one bundle.
//
// Until every module has committed once (or is marked onFirstFailure: ignore),
// the engine writes nothing: flows of an earlier agent stay in force, a fresh
// bridge drops everything, and CNI ADD is answered with "try again later". So
// a module that does not load can never open a node.
package agent
