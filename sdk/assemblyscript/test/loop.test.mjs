// The event loop: declarations, transactions, refusals, and the host's own checks.
import assert from "node:assert/strict";
import test from "node:test";
import { CANNOT_DO, COMMIT, Host } from "../testing/host.mjs";
import { compile } from "./compile.mjs";

const wasm = compile("names");
const namespace = (name) => ({ metadata: { name } });

test("declarations", async () => {
  const host = await Host.load(wasm);
  assert.equal(host.put("namespaces", namespace("a")).requests.length, 4);
  assert.equal(host.put("namespaces", namespace("b")).requests.length, 3); // shared is there
  assert.equal(host.put("namespaces", namespace("b")).requests.length, 0);
  assert.deepEqual(host.gone("namespaces", "", "a").requests, [{ deleteRule: { name: "a" } }, { deleteSet: { name: "a" } }]);
  await host.checkReset();
  assert.equal(host.gone("namespaces", "", "b").requests.length, 3);
  assert.equal(host.sets.size + host.rules.size, 0);
  assert.deepEqual(host.gone("namespaces", "", "never").requests, []);
});

test("what fails changes nothing", async () => {
  const host = await Host.load(wasm);
  host.put("namespaces", namespace("a"));
  for (const [name, refusal, line] of [
    ["bad", 0, "cannot do this"],
    ["conflict", 0, "shared is declared by namespaces//conflict and is there already, with different content"],
    ["b", -4, "the host refuses: over a limit of this module (-4)"],
  ]) {
    if (refusal) host.refuse(refusal);
    const outcome = host.put("namespaces", namespace(name));
    assert.deepEqual([outcome.code, outcome.log], [CANNOT_DO, [line]]);
    assert.deepEqual([...host.rules.keys()], ["a"]);
    host.gone("namespaces", "", name);
    assert.equal(host.reset().code, COMMIT);
  }
});

test("what goes beyond an array ends the instance and says why", async () => {
  const host = await Host.load(wasm);
  assert.throws(() => host.put("namespaces", namespace("beyond")), WebAssembly.RuntimeError);
  assert.match(host.running.outcome.log[0], /Index out of range/);
});

test("memory stays flat", async () => {
  const host = await Host.load(wasm);
  let after = 0;
  for (let n = 0; n < 400; n++) {
    host.put("namespaces", ...Array.from({ length: 50 }, (_, i) => namespace(`n${(n + i) % 200}`)));
    if (n === 100) after = host.running.exports.memory.buffer.byteLength;
  }
  assert.ok(host.running.exports.memory.buffer.byteLength <= after + (1 << 20));
});
