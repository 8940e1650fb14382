// The typed calls: what `index.d.ts` declares, as requests of the HTTP contract.

import { RpcTarget } from "cloudflare:workers";
import { errorOf } from "./client.mjs";
import { lostDocument } from "./http.mjs";
import { problem } from "./instance.mjs";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/// An error with its stable code. RPC keeps its members for callers with a compatibility date from
/// 2026-04-21 on. For the others its message has the code, and the problem document as its last
/// line, where `errorOf` of client.mjs finds it.
export class TidelogError extends Error {
  constructor(problem) {
    super(`${problem.code}: ${problem.detail}\n${JSON.stringify(problem)}`);
    this.name = "TidelogError";
    this.code = problem.code;
    this.status = problem.status;
    this.field = problem.field;
    this.problem = problem;
  }
}

/// An error that is found before Rust is asked.
export function refusal(code, message, field) {
  const document = JSON.parse(problem(code, message));
  return new TidelogError(field === undefined ? document : { ...document, field });
}

/// The options that travel as headers, and their names there.
const HEADERS = {
  idempotencyKey: "Idempotency-Key",
  source: "X-Source",
  correlationId: "X-Correlation-Id",
  traceparent: "traceparent",
  actor: "Tidelog-Actor",
  reason: "Tidelog-Reason",
};

function headersFrom(options) {
  return Object.entries(HEADERS).flatMap(([option, name]) => {
    const value = options?.[option];
    return value === undefined ? [] : [name, headerText(name, String(value))];
  });
}

/// A header's text as its UTF-8 bytes, each a character, which is how the platform gives headers.
function headerText(name, text) {
  if (/[\0-\x1f\x7f]/.test(text)) throw refusal("invalid_header", "a label has no control characters", name);
  return Array.from(encoder.encode(text), (byte) => String.fromCharCode(byte)).join("");
}

function queryFrom(parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, Array.isArray(value) ? value.join(",") : String(value));
  }
  return query.toString();
}

/// A name, an id or a key as a segment of a path.
export function segment(text) {
  try {
    return encodeURIComponent(text);
  } catch {
    throw refusal("invalid_path", "half of a surrogate pair is no text");
  }
}

function bytesFrom(body) {
  try {
    return encoder.encode(JSON.stringify(body));
  } catch (error) {
    throw refusal("invalid_json", error.message);
  }
}

/// One call as a request: what to send, and what the answer means.
const requests = {
  insert: (collection, documents, options) => write(collection, documents, options, undefined),
  upsert: (collection, documents, options) => write(collection, documents, options, "upsert"),
  put: (collection, key, document, options = {}) => ({
    method: "PUT",
    path: `${segment(collection)}/${segment(key)}`,
    query: { ifVersion: options.ifVersion },
    options,
    body: document,
  }),
  update: (collection, key, patch, options = {}) => ({
    method: "PATCH",
    path: `${segment(collection)}/${segment(key)}`,
    query: { ifVersion: options.ifVersion },
    options,
    body: patch,
  }),
  delete: (collection, key, options = {}) => ({
    method: "DELETE",
    path: `${segment(collection)}/${segment(key)}`,
    query: { ifVersion: options.ifVersion },
    options,
  }),
  batch: (mutations, options) => ({ method: "POST", path: "batch", options, body: { mutations } }),
  message: (name, body, options) => ({ method: "POST", path: `messages/${segment(name)}`, options, body }),
  query: (collection, query = {}) => ({
    method: "POST",
    path: `${segment(collection)}/query`,
    body: query,
    reads: true,
  }),
  state: () => ({ method: "GET", path: "state", reads: true }),
  sync: (tier) => ({ method: "POST", path: "sync", body: tier === undefined ? {} : { tier }, reads: true }),
  deleteObject: (options) => ({ method: "DELETE", path: "", options }),
  "snapshots.create": ({ kind, parent, note, ...options } = {}) => ({
    ...administers("POST", "snapshots", options),
    body: { kind, parent, note },
  }),
  "snapshots.list": ({ kind, tier, parent, minBytes, maxBytes, fromSequence, toSequence, before, limit } = {}) => ({
    ...administers("GET", "snapshots"),
    query: { kind, tier, parent, minBytes, maxBytes, fromSequence, toSequence, before, limit },
  }),
  "snapshots.get": (id) => administers("GET", `snapshots/${segment(id)}`),
  "snapshots.delete": (id, options) => administers("DELETE", `snapshots/${segment(id)}`, options),
  "snapshots.keep": (id, keep = true, options) => ({
    ...administers("PATCH", `snapshots/${segment(id)}`, options),
    body: { keep },
  }),
  "snapshots.retention": () => administers("GET", "snapshots/retention"),
  "snapshots.setRetention": ({ actor, reason, source, ...rules } = {}) => ({
    ...administers("PUT", "snapshots/retention", { actor, reason, source }),
    body: rules,
  }),
  "snapshots.promote": (id, options) => administers("POST", `snapshots/${segment(id)}/promote`, options),
  "snapshots.recall": (id, options) => administers("POST", `snapshots/${segment(id)}/recall`, options),
  "snapshots.discover": (options) => administers("POST", "snapshots/discover", options),
  "snapshots.discovery": () => administers("GET", "snapshots/discover"),
  "snapshots.audit": ({ before, limit } = {}) => ({
    ...administers("GET", "snapshots/audit"),
    query: { before, limit },
  }),
  restore: ({ snapshot, sequence, time, collections, dryRun, ...options } = {}) => ({
    ...administers("POST", "restore", options),
    body: { snapshot, sequence, time, collections, dryRun },
  }),
  fork: ({ to, snapshot, sequence, time, expires, ...options } = {}) => ({
    ...administers("POST", "fork", options),
    body: { to, snapshot, sequence, time, expires },
  }),
  forkState: () => administers("GET", "fork"),
  cancelFork: (options) => administers("DELETE", "fork", options),
  restoreState: () => administers("GET", "restore"),
  cancelRestore: (options) => administers("DELETE", "restore", options),
  check: ({ after } = {}) => ({ ...administers("GET", "check"), query: { after } }),
  heal: (options) => administers("POST", "heal", options),
  healState: () => administers("GET", "heal"),
};

/// What only an administrator may ask: it shows the admin token.
function administers(method, path, options) {
  return { method, path, options, admin: true, reads: method === "GET" };
}

function write(collection, documents, options, mode) {
  return { method: "POST", path: segment(collection), query: { mode }, options, body: documents };
}

/// The typed calls over `send(request) -> {status, headers, body}`, the body bytes.
export class Calls {
  #send;

  constructor(send) {
    this.#send = send;
  }

  async call(name, args) {
    const { status, body } = await this.#exchange(requests[name](...args));
    const value = body ? JSON.parse(decoder.decode(body)) : undefined;
    if (status >= 400) throw new TidelogError(value);
    return value;
  }

  #exchange({ method, path, query = {}, options, body, bytes = body === undefined ? undefined : bytesFrom(body), more = [], reads = false, admin = false }) {
    const headers = [...headersFrom(options), ...more];
    return this.#send({ method, path, query: queryFrom(query), headers, body: bytes, reads, admin });
  }

  async get(collection, key, { consistency, atLeast, tier } = {}) {
    const path = `${segment(collection)}/${segment(key)}`;
    const query = { consistency, atLeast, tier };
    const { status, headers, body } = await this.#exchange({ method: "GET", path, query, reads: true });
    const value = JSON.parse(decoder.decode(body));
    if (status < 400) return { key, version: Number(headerOf(headers, "etag").replaceAll('"', "")), document: value };
    if (value.code === "unknown_document") return null;
    throw new TidelogError(value);
  }

  async cacheGet(key) {
    const { status, headers, body } = await this.#exchange({ method: "GET", path: `cache/${segment(key)}`, reads: true });
    if (status < 400) {
      const [contentType, age] = [headerOf(headers, "content-type"), Number(headerOf(headers, "age"))];
      return { body: body ?? new Uint8Array(), contentType, age };
    }
    return this.#unless("unknown_cache_entry", body, null);
  }

  async cachePut(key, value, { contentType = "application/octet-stream", ttl } = {}) {
    const bytes = typeof value === "string" ? encoder.encode(value) : new Uint8Array(value);
    const more = ["content-type", headerText("Content-Type", contentType)];
    const { status, body } = await this.#exchange({ method: "PUT", path: `cache/${segment(key)}`, query: { ttl }, bytes, more });
    if (status >= 400) this.#unless(undefined, body);
  }

  async cacheDelete(key) {
    const { status, body } = await this.#exchange({ method: "DELETE", path: `cache/${segment(key)}` });
    if (status >= 400) this.#unless(undefined, body);
  }

  /// A refusal as an error, or what it means where it has one code.
  #unless(code, body, meaning) {
    const value = JSON.parse(decoder.decode(body));
    if (value.code === code) return meaning;
    throw new TidelogError(value);
  }

  async changes({ offset = "-1", live = false, collections, operations, images, limit } = {}) {
    const query = { offset, collections, operations, images, limit };
    if (live) query.live = "long-poll";
    const { status, headers, body } = await this.#exchange({
      method: "GET",
      path: "changes",
      query,
      reads: true,
    });
    const events = body ? JSON.parse(decoder.decode(body)) : [];
    if (status >= 400) throw new TidelogError(events);
    return {
      events,
      nextOffset: headerOf(headers, "stream-next-offset"),
      upToDate: headerOf(headers, "stream-up-to-date") === "true",
      closed: headerOf(headers, "stream-closed") === "true",
    };
  }
}

function headerOf(headers, name) {
  const at = headers.indexOf(name);
  return at < 0 ? undefined : headers[at + 1];
}

/// The first page of a follower, which waits for nothing: errors are still the call's own, and
/// "now" is settled once. Asked for again after a reset it would be later.
function firstOf(changes, { offset = "now", ...filter }) {
  return changes({ ...filter, offset });
}

/// The pages from the first on, without the empty ones.
async function* pagesFrom(changes, first, filter) {
  for (let page = first; ; page = await changes({ ...filter, offset: page.nextOffset, live: true })) {
    if (page.events.length > 0 || page.closed) yield page;
    if (page.closed) return;
  }
}

/// Rows that cross together: small rows one by one would take a call of the stream each.
const ROWS_TOGETHER = 100;

/// Rows of a query from its first page to the end, several at a time.
async function* rowsFrom(query, collection, wanted, first) {
  for (let page = first; ; page = await query(collection, { ...wanted, after: page.next })) {
    for (let at = 0; at < page.rows.length; at += ROWS_TOGETHER) yield page.rows.slice(at, at + ROWS_TOGETHER);
    if (page.next === undefined || page.next === null) return;
  }
}

/// A stream of bytes, one JSON document a line, made as fast as it is read.
function lines(groups) {
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      const { value, done } = await groups.next();
      if (done) {
        controller.close();
        controller.byobRequest?.respond(0);
      } else {
        controller.enqueue(encoder.encode(value.map((one) => `${JSON.stringify(one)}\n`).join("")));
      }
    },
    // Not waited for: a page that is being waited for ends first.
    cancel: () => void groups.return(),
  });
}

async function* alone(documents) {
  for await (const document of documents) yield [document];
}

/// A stream of the pages that follow `options.offset` (default: from now on).
export async function subscribe(changes, options = {}) {
  return lines(alone(pagesFrom(changes, await firstOf(changes, options), options)));
}

/// Calls `callback(page)` for each of them until it answers `false`, or the log is closed.
export async function follow(changes, options, callback) {
  for await (const page of pagesFrom(changes, await firstOf(changes, options), options)) {
    if ((await callback(page)) === false) return page.nextOffset;
  }
  return undefined;
}

/// A stream of every row of a query.
export async function rows(query, collection, wanted = {}) {
  return lines(rowsFrom(query, collection, wanted, await query(collection, wanted)));
}

const READS = new Set([
  "get", "query", "changes", "state", "snapshots.list", "snapshots.get", "snapshots.audit", "snapshots.discovery", "snapshots.retention",
  "restoreState", "forkState", "check", "healState",
]);
const ATTEMPTS_MORE = 4;

/// A failed call's error with a code: the object's own, or what became of the object.
function codedError(error) {
  return new TidelogError(errorOf(error) ?? JSON.parse(lostDocument(error)));
}

/// An object's snapshots, over `call(name, args)`.
export class Snapshots extends RpcTarget {
  #call;

  constructor(call) {
    super();
    this.#call = call;
  }

  create(...args) { return this.#call("snapshots.create", args); }
  list(...args) { return this.#call("snapshots.list", args); }
  get(...args) { return this.#call("snapshots.get", args); }
  delete(...args) { return this.#call("snapshots.delete", args); }
  promote(...args) { return this.#call("snapshots.promote", args); }
  recall(...args) { return this.#call("snapshots.recall", args); }
  discover(...args) { return this.#call("snapshots.discover", args); }
  discovery(...args) { return this.#call("snapshots.discovery", args); }
  audit(...args) { return this.#call("snapshots.audit", args); }
  keep(...args) { return this.#call("snapshots.keep", args); }
  retention() { return this.#call("snapshots.retention", []); }
  setRetention(...args) { return this.#call("snapshots.setRetention", args); }
}

/// Calls a stub's method, or that of a member: `member.method`.
function invoked(stub, name, args) {
  const [first, method] = name.split(".");
  return method === undefined ? stub[first](...args) : stub[first][method](...args);
}

/// An object as other Workers hold it. Reads are asked again when the object was reset (evicted,
/// deployed, moved); writes are not: their caller has the idempotency key.
export class ObjectClient extends RpcTarget {
  #stub;
  /// Calls through the cache.
  #warm;

  constructor(stub, send) {
    super();
    this.#stub = stub;
    this.#warm = new Calls(send);
  }

  async #call(name, args) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await invoked(this.#stub(), name, args);
      } catch (error) {
        const coded = codedError(error);
        if (!READS.has(name) || coded.code !== "actor_reset" || attempt >= ATTEMPTS_MORE) throw coded;
        await scheduler.wait(50 << attempt);
      }
    }
  }

  insert(...args) { return this.#call("insert", args); }
  upsert(...args) { return this.#call("upsert", args); }
  put(...args) { return this.#call("put", args); }
  update(...args) { return this.#call("update", args); }
  delete(...args) { return this.#call("delete", args); }
  batch(...args) { return this.#call("batch", args); }
  message(...args) { return this.#call("message", args); }
  get(collection, key, options) {
    if (options?.consistency === "warm") return this.#warm.get(collection, key, options);
    return this.#call("get", [collection, key, options]);
  }

  query(collection, query) {
    if (query?.consistency === "warm") return this.#warm.call("query", [collection, query]);
    return this.#call("query", [collection, query]);
  }

  cacheGet(...args) { return this.#warm.cacheGet(...args); }
  cachePut(...args) { return this.#warm.cachePut(...args); }
  cacheDelete(...args) { return this.#warm.cacheDelete(...args); }
  changes(...args) { return this.#call("changes", args); }
  state() { return this.#call("state", []); }
  sync(...args) { return this.#call("sync", args); }
  deleteObject(...args) { return this.#call("deleteObject", args); }
  restore(...args) { return this.#call("restore", args); }
  restoreState() { return this.#call("restoreState", []); }
  cancelRestore(...args) { return this.#call("cancelRestore", args); }
  fork(...args) { return this.#call("fork", args); }
  forkState() { return this.#call("forkState", []); }
  cancelFork(...args) { return this.#call("cancelFork", args); }
  check(...args) { return this.#call("check", args); }
  heal(...args) { return this.#call("heal", args); }
  healState() { return this.#call("healState", []); }

  get snapshots() {
    return new Snapshots((name, args) => this.#call(name, args));
  }

  rows(collection, query) {
    return rows((...args) => this.query(...args), collection, query);
  }

  subscribe(options) {
    return subscribe((...args) => this.#call("changes", args), options);
  }

  follow(options, callback) {
    return follow((...args) => this.#call("changes", args), options, callback);
  }
}
