import assert from "node:assert/strict";
import test from "node:test";
const { Host, COMMIT } = await import(`${process.env.SLUICE_SDK}/testing/host.mjs`);

const resource = "timewindows.policy.sluice.dev";
const start = () => Host.load(process.env.SLUICE_MODULE);
const object = (spec, name = "nights") => ({ metadata: { namespace: "shop", name }, spec });
const deny = { action: "Deny", windows: [{ from: "22:00", to: "06:00" }] };
const at = (text) => new Date(text);

test("a rule holds in its window and not outside", async () => {
  const host = await start();
  assert.equal(host.put(resource, object(deny)).requests.at(-1).report.condition.reason, "NoClock");
  assert.equal(host.rules.size, 0);
  for (const [time, holds] of [
    ["2026-11-23T21:59:59Z", false], ["2026-11-23T22:00:00Z", true], ["2026-11-24T05:59:00Z", true], ["2026-11-24T06:00:00Z", false],
  ]) {
    host.tick(at(time));
    assert.equal(host.rules.has("shop/nights"), holds, time);
    await host.checkReset();
  }
  // What does not change is not said again.
  assert.deepEqual(host.tick(at("2026-11-24T06:01:00Z")).requests, []);
});

test("days are those on which a window begins", async () => {
  const host = await start();
  host.put(resource, object({ ...deny, windows: [{ days: ["Fri"], from: "22:00", to: "06:00" }] }));
  for (const [time, holds] of [
    ["2026-11-27T23:00:00Z", true], // a Friday
    ["2026-11-28T05:00:00Z", true], ["2026-11-28T23:00:00Z", false], ["2026-11-27T05:00:00Z", false],
  ]) {
    host.tick(at(time));
    assert.equal(host.rules.size === 1, holds, time);
  }
});

test("offsets from UTC", async () => {
  const host = await start();
  host.put(resource, object({ ...deny, windows: [{ days: ["Mon"], from: "08:00", to: "09:00", utcOffset: "+05:30" }] }));
  host.tick(at("2026-11-23T02:30:00Z")); // Monday, 08:00 there
  assert.equal(host.rules.size, 1);
  host.tick(at("2026-11-23T03:30:00Z"));
  assert.equal(host.rules.size, 0);
  host.put(resource, object({ ...deny, windows: [{ days: ["Sun"], from: "20:00", utcOffset: "-05:00" }] }));
  host.tick(at("2026-11-23T04:59:00Z")); // still Sunday, 23:59
  assert.equal(host.rules.size, 1);
  await host.checkReset();
});

test("who, with whom, on which ports", async () => {
  const host = await start();
  host.tick(at("2026-11-23T12:00:00Z"));
  host.put(resource, object({
    podLabels: { app: "backup" }, direction: "Egress", action: "Allow", namespaces: ["store"], cidrs: ["192.0.2.0/24"],
    ports: [{ port: 443 }, { protocol: "UDP", port: 53 }], windows: [{ from: "00:00", to: "24:00" }],
  }, "backup"));
  assert.deepEqual(host.rules.get("shop/backup"), {
    tier: "admin", direction: "egress", subjects: ["shop/backup"], peers: ["shop/backup/namespaces", "shop/backup/cidrs"],
    ports: [{ protocol: 6, first: 443, last: 443 }, { protocol: 17, first: 53, last: 53 }], action: "allow",
    origin: { resource, namespace: "shop", name: "backup", rule: "spec" },
  });
  assert.deepEqual(host.sets.get("shop/backup").pods, {
    namespaces: ["shop"], podSelector: { requirements: [{ key: "app", operator: "In", values: ["backup"] }] },
  });
  host.gone(resource, "shop", "backup");
  assert.equal(host.sets.size, 0);
  await host.checkReset();
});

test("what is wrong is told, and nothing holds", async () => {
  const host = await start();
  host.tick(at("2026-11-23T23:00:00Z"));
  for (const [spec, message] of [
    [{ windows: deny.windows }, /spec.action is needed/],
    [{ action: "Deny" }, /spec.windows is empty/],
    [{ ...deny, windows: [{ from: "25:00" }] }, /not of the form 08:30/],
    [{ ...deny, windows: [{ from: "8:00" }] }, /not of the form 08:30/],
    [{ ...deny, windows: [{ days: ["Monday"] }] }, /a day is not one of/],
    [{ ...deny, windows: [{ utcOffset: "CET" }] }, /utcOffset is not of the form/],
    [{ ...deny, action: "Drop" }, /none of Allow/],
    [{ ...deny, direction: "Up" }, /neither Ingress nor Egress/],
    [{ ...deny, ports: [{ port: 70000 }] }, /between 1 and 65535/],
    [{ ...deny, pods: {} }, /spec.pods is unknown/],
  ]) {
    host.put(resource, object(deny));
    assert.equal(host.rules.size, 1);
    const { code, requests } = host.put(resource, object(spec));
    assert.equal(code, COMMIT);
    assert.match(requests.find((r) => r.report)?.report.condition.message, message);
    assert.equal(host.rules.size, 0);
  }
});
