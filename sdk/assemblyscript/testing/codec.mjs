// The messages of the ABI in JavaScript, for hosts: events to bytes, requests from
// bytes. The shapes are those of abi/abi.proto; names are in camel case.

const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true });

// ---- The schema ----

const str = { type: "text", zero: "" }, num = { type: "number", zero: 0 }, yes = { type: "bool", zero: false };
const signed = { type: "signed", zero: 0 }, big = { type: "big", zero: 0n }, bytes = { type: "bytes", zero: "" };
const list = (of) => ({ ...of, repeated: true });
const message = (fields) => ({ type: "message", fields: fields() });
const words = (...known) => ({ type: "word", known: ["", ...known], zero: "" });

const tier = words("admin", "network", "baseline"), direction = words("ingress", "egress");
const action = words("allow", "deny", "reject", "pass"), operator = words("In", "NotIn", "Exists", "DoesNotExist");
const requirement = message(() => ({ key: [1, str], operator: [2, operator], values: [3, list(str)] }));
const selector = message(() => ({ requirements: [1, list(requirement)] }));
const block = message(() => ({ cidr: [1, str], except: [2, list(str)] }));
const origin = message(() => ({ resource: [1, str], namespace: [2, str], name: [3, str], rule: [4, str] }));
const condition = message(() => ({ type: [1, str], status: [2, yes], reason: [3, str], message: [4, str] }));
const icmp = message(() => ({ type: [1, num], code: [2, num], anyCode: [3, yes] }));
const port = message(() => ({ protocol: [1, num], first: [2, num], last: [3, num], name: [4, str], icmp: [5, icmp] }));
const rule = message(() => ({
  tier: [1, tier], direction: [2, direction], priority: [3, signed], subjects: [4, list(str)], peers: [5, list(str)],
  anyPeer: [6, yes], ports: [7, list(port)], action: [8, action], log: [9, yes], origin: [10, origin],
}));
const isolation = message(() => ({ tier: [1, tier], direction: [2, direction], subjects: [3, list(str)], origin: [4, origin] }));
const named = message(() => ({ name: [1, str] }));
const flowRequest = message(() => ({
  putSet: [1, message(() => ({
    name: [1, str],
    pods: [2, message(() => ({ namespaces: [1, list(str)], namespaceSelector: [2, selector], podSelector: [3, selector] }))],
    nodes: [3, message(() => ({ selector: [1, selector] }))],
    addresses: [4, message(() => ({ blocks: [1, list(block)] }))],
  }))],
  patchSet: [2, message(() => ({ name: [1, str], add: [2, list(block)], remove: [3, list(str)] }))],
  deleteSet: [3, named],
  putRule: [4, message(() => ({ name: [1, str], rule: [2, rule] }))],
  deleteRule: [5, named],
  putIsolation: [6, message(() => ({ name: [1, str], isolation: [2, isolation] }))],
  deleteIsolation: [7, named],
  report: [8, message(() => ({ object: [1, origin], condition: [2, condition] }))],
}));
const requestBatch = message(() => ({ requests: [1, list(flowRequest)] }));
const object = { resource: [1, str], namespace: [2, str], name: [3, str], uid: [4, str] };
const event = message(() => ({
  configure: [1, message(() => ({ json: [1, bytes] }))],
  objectPut: [2, message(() => ({ ...object, generation: [5, big], json: [6, bytes] }))],
  objectDelete: [3, message(() => object)],
  tick: [4, message(() => ({ unixNanos: [1, big] }))],
}));
const eventBatch = message(() => ({ sequence: [1, big], reset: [2, yes], events: [3, list(event)] }));

// ---- Writing ----

function varint(out, value) {
  let v = BigInt.asUintN(64, BigInt(value));
  for (; v >= 0x80n; v >>= 7n) out.push(Number(v & 0x7fn) | 0x80);
  out.push(Number(v));
}

function field(out, number, schema, value) {
  let body;
  switch (schema.type) {
    case "message": body = write(schema, value); break;
    case "text": body = utf8.encode(value); break;
    case "bytes": body = typeof value === "string" ? utf8.encode(value) : value; break;
    default:
      varint(out, number << 3);
      return varint(out, schema.type === "word" ? schema.known.indexOf(value) : schema.type === "bool" ? 1 : value);
  }
  varint(out, number << 3 | 2);
  varint(out, body.length);
  for (const b of body) out.push(b);
}

function write(schema, value) {
  const out = [];
  for (const [name, [number, of]] of Object.entries(schema.fields)) {
    const v = value[name];
    if (v === undefined) continue;
    if (of.repeated) for (const element of v) field(out, number, of, element);
    else if (of.type === "message" || (v !== of.zero && v !== 0 && v.length !== 0)) field(out, number, of, v);
  }
  return out;
}

// ---- Reading ----

function read(schema, bytes, into = {}) {
  let at = 0;
  const next = () => {
    for (let v = 0n, shift = 0n; at < bytes.length; shift += 7n) {
      const c = BigInt(bytes[at++]);
      if (shift === 63n && c > 1n) throw new Error("a varint is longer than 64 bits");
      v |= (c & 0x7fn) << shift;
      if (c < 0x80n) return v;
    }
    throw new Error("a varint is cut short");
  };
  const byNumber = new Map(Object.entries(schema.fields).map(([name, [number, of]]) => [number, [name, of]]));
  while (at < bytes.length) {
    const key = next(), number = Number(key >> 3n), wire = Number(key & 7n);
    if (number === 0) throw new Error("a field has the number 0");
    let value = 0n, body = null;
    if (wire === 0) value = next();
    else if (wire === 1 || wire === 5 || wire === 2) {
      const length = wire === 2 ? Number(next()) : wire === 1 ? 8 : 4;
      if (length > bytes.length - at) throw new Error("a field is cut short");
      body = bytes.subarray(at, at += length);
    } else throw new Error("a field has an unknown wire type");
    if (!byNumber.has(number)) continue;
    const [name, of] = byNumber.get(number);
    const enclosed = of.type === "message" || of.type === "text" || of.type === "bytes";
    if (wire !== (enclosed ? 2 : 0)) throw new Error(`${name} has the wrong wire type`);
    let v;
    switch (of.type) {
      case "message": v = read(of, body, of.repeated ? {} : into[name] ?? {}); break;
      case "text": v = text.decode(body); break;
      case "bytes": v = body; break;
      case "bool": v = value !== 0n; break;
      case "signed": v = Number(BigInt.asIntN(64, value)); break;
      case "big": v = BigInt.asIntN(64, value); break;
      case "word": {
        v = of.known[Number(value)];
        if (v === undefined) throw new Error(`${name} has the unknown value ${value}`);
        break;
      }
      default: v = Number(value);
    }
    if (of.repeated) (into[name] ??= []).push(v);
    else into[name] = v;
  }
  return into;
}

// The last of several kinds counts.
function only(kinds) {
  const all = Object.keys(kinds);
  return all.length === 0 ? kinds : { [all.at(-1)]: kinds[all.at(-1)] };
}

// encodeBatch({sequence, reset, events: [{objectPut: {resource, name, json}}, {tick: {unixNanos}}]}) gives bytes.
// Numbers of 64 bits are BigInts; json is text or bytes.
export function encodeBatch(batch) { return Uint8Array.from(write(eventBatch, batch)); }

// decodeRequests gives [{putRule: {name, rule: {tier: "admin", ...}}}, ...]; fields with default values are left out.
export function decodeRequests(bytes) {
  const requests = read(requestBatch, bytes).requests ?? [];
  for (const r of requests) if (Object.keys(r).length === 0) throw new Error("a request has no kind, or one that is not known");
  return requests.map(only);
}

// For the codec's own tests.
export function encodeRequests(requests) { return Uint8Array.from(write(requestBatch, { requests })); }
export function decodeBatch(bytes) {
  const batch = read(eventBatch, bytes);
  return { ...batch, events: (batch.events ?? []).filter((e) => Object.keys(e).length > 0).map(only) };
}
