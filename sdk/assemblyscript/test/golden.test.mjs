// Both codecs, the module's and the host's, against the vectors of
// abi/testdata/golden, which protoc has made.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { decodeBatch, decodeRequests, encodeBatch, encodeRequests } from "../testing/codec.mjs";
import { compile } from "./compile.mjs";

const load = (name) => readFileSync(new URL(`../../../abi/testdata/golden/${name}.bin`, import.meta.url));
const compiled = await WebAssembly.compile(compile("vectors"));

// Hands bytes to a fresh instance.
async function handle(batch) {
  const emitted = [], log = [];
  const { exports } = await WebAssembly.instantiate(compiled, { sluice: {
    recv: (to) => { new Uint8Array(exports.memory.buffer, to).set(batch); return batch.length; },
    emit: (from, length) => { emitted.push(...new Uint8Array(exports.memory.buffer, from, length)); return 0; },
    log: (level, from, length) => { log.push(new TextDecoder().decode(new Uint8Array(exports.memory.buffer, from, length))); },
  } });
  exports._initialize();
  return { code: exports.sluice_handle(batch.length), emitted: Buffer.from(emitted), log };
}

const configure = (json) => handle(encodeBatch({ events: [{ configure: { json } }] }));

for (const name of ["requests-readme", "requests-sets", "requests-rules", "requests-large"]) {
  test(name, async () => {
    const want = load(name);
    assert.deepEqual((await configure(name)).emitted, want);
    assert.deepEqual(Buffer.from(encodeRequests(decodeRequests(want))), want);
  });
}

test("requests of other versions", () => {
  assert.deepEqual(decodeRequests(load("variant-requests-unknown")), [{ putRule: { name: "r", rule: { priority: 4 } } }]);
  assert.deepEqual(decodeRequests(load("variant-requests-repeated")), [
    { putRule: { name: "b", rule: { priority: -7, subjects: ["s", "t"], ports: [{ protocol: 6 }] } } },
    { deleteRule: { name: "kept" } },
  ]);
  assert.throws(() => decodeRequests(Uint8Array.of(0x0a, 2, 0x4a, 0)), /no kind/);
});

const policies = "networkpolicies.networking.k8s.io";
const batches = {
  "batch-empty": ["batch|0|false"],
  "batch-every-field": [
    'configure|{"logDenied":true}',
    `put|${policies}|shop|db-from-web|0b9a3c0e-6d7e-4d0a-9f64-2b9f5f0c1a11|3|11|{"spec":{}}`,
    `put|${policies}|shop|web|u2|1|`, // what is no UTF-8 is no JSON either, and is not compared
    "gone|pods|shop|db-0|u3", "put|namespaces||café||0|0|", "tick|1795393658000000000", "batch|7|true",
  ],
  "batch-extremes": [
    "put|||min||-9223372036854775808|0|", "put|||max||9223372036854775807|0|", "put|||minus-one||-1|0|", "tick|-1",
    "batch|18446744073709551615|false",
  ],
  "batch-kinds-without-fields": ["configure|", "put|||||0|0|", "gone||||", "tick|0", "batch|0|false"],
  "batch-long-json": [
    `put|pods||||0|127|${"a".repeat(40)}`, `put|pods||||0|128|${"b".repeat(40)}`, `put|pods||||0|20000|${"x".repeat(40)}`, "batch|300|false",
  ],
  "batch-readme": ["configure|", 'put|namespaces||shop|u1|1|7|{"a":1}', "batch|1|true"],
  "variant-batch-unknown": ["tick|5", "batch|9|false"],
  "variant-batch-repeated": ["tick|2", "put|||a|b|2|0|", "batch|2|false"],
};

for (const [name, want] of Object.entries(batches)) {
  test(name, async () => {
    const file = load(name);
    const { code, log } = await handle(file);
    assert.equal(code, 0);
    assert.deepEqual(log.map((line) => line.startsWith(`put|${policies}|shop|web`) ? line.slice(0, line.indexOf("|1|") + 3) : line), want);
    if (!name.startsWith("variant")) assert.deepEqual(Buffer.from(encodeBatch(decodeBatch(file))), file);
  });
}

test("what must be refused", async () => {
  for (const [what, ...bytes] of [
    ["a length cut short", 0x1a], ["an event cut short", 0x1a, 5],
    ["a varint of 11 bytes", 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
    ["a varint of 65 bits", 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
    ["field number 0", 0, 0], ["a field number above the largest", 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0], ["a group", 0x23, 0x24],
    ["a sequence that is a text", 0x0a, 1, 0x78], ["an event that is a number", 0x18, 1], ["a name that is a number", 0x1a, 4, 0x12, 2, 0x18, 1],
    ["a generation that is a text", 0x1a, 5, 0x12, 3, 0x2a, 1, 0x78], ["a name that is not UTF-8", 0x1a, 5, 0x12, 3, 0x1a, 1, 0xff],
    ["a surrogate in a name", 0x1a, 7, 0x12, 5, 0x1a, 3, 0xed, 0xa0, 0x80], ["an overlong slash", 0x1a, 6, 0x12, 4, 0x1a, 2, 0xc0, 0xaf],
    ["an unknown fixed64 cut short", 0x21, 1, 2, 3],
  ]) {
    const { code, emitted } = await handle(Uint8Array.from(bytes));
    assert.equal(code, 2, what);
    assert.equal(emitted.length, 0);
  }
});

test("JSON", async () => {
  const text = String.raw` { "skip" : [1, {"a":[true,null,"\u00e9"]}, -0.5e+3] , "na\u006de":"a\n\u00e9\ud83d\ude00\ud800\/",
    "list":["x","y"], "none":null, "empty":{}, "yes":true, "deep":{"x":{"y":7}} } `;
  assert.deepEqual((await configure("read " + text)).log[0], "7|a\né😀\ufffd/|xytrue7|");
  for (const wrong of ["", "{", "[1", "[1,]", "[,1]", "[1 2]", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}", '{"a" 1}', "nul", "tru", '"x', '"\n"', '"\\x"',
    '"\\u12g4"', '"\\u12', '"\\', "01x", "-", "1.", "1e", ".5", "[01]", "+1", "{} {}", "[".repeat(300) + "]".repeat(300)]) {
    assert.equal((await configure("json " + wrong)).log[0], "refused", wrong);
  }
  for (const good of ["0", "-0", "[]", "{}", "null", '[1.5e-3,{"a":[]}]']) assert.equal((await configure("json " + good)).log[0], "good", good);
  for (const n of ["9223372036854775807", "-9223372036854775808", "0", "-17"]) assert.equal((await configure("integer " + n)).log[0], n);
  for (const n of ["9223372036854775808", "-9223372036854775809", "1.0", "1e3", '"1"', "true"]) {
    assert.equal((await configure("integer " + n)).log[0], "refused", n);
  }
});

test("sets of any size", async () => {
  const requests = decodeRequests((await configure("large ")).emitted);
  assert.equal(requests.length, 10);
  assert.equal(requests.flatMap((r) => r.putSet?.addresses.blocks ?? r.patchSet.add).length, 10000);
});
