// The typed calls: what `index.d.ts` declares, as requests of the HTTP contract.

import { RpcTarget } from "cloudflare:workers";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/// An error with its stable code. Over RPC the message and the name survive; `message` starts
/// with the code, and carries the problem document after a line break.
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

/// Options that travel as headers.
function headersFrom(options = {}) {
  const flat = [];
  const put = (name, value) => value !== undefined && flat.push(name, String(value));
  put("idempotency-key", options.idempotencyKey);
  put("x-source", options.source);
  put("x-correlation-id", options.correlationId);
  put("traceparent", options.traceparent);
  return flat;
}

function queryFrom(parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, Array.isArray(value) ? value.join(",") : String(value));
  }
  return query.toString();
}

const segment = encodeURIComponent;

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
  query: (collection, query = {}) => ({
    method: "POST",
    path: `${segment(collection)}/query`,
    body: query,
    reads: true,
  }),
  state: () => ({ method: "GET", path: "state", reads: true }),
  sync: (tier = "cold") => ({ method: "POST", path: "sync", body: { tier }, reads: true }),
  deleteObject: (options) => ({ method: "DELETE", path: "", options }),
};

function write(collection, documents, options, mode) {
  return { method: "POST", path: segment(collection), query: { mode }, options, body: documents };
}

/// The typed calls over `send(request) -> {status, headers, body}`, the body bytes.
export class Calls {
  #send;

  constructor(send) {
    this.#send = send;
  }

  async #json(request) {
    const { status, body } = await this.#exchange(request);
    const value = body ? JSON.parse(decoder.decode(body)) : undefined;
    if (status >= 400) throw new TidelogError(value);
    return value;
  }

  #exchange({ method, path, query = {}, options, headers = [], body, reads = false }) {
    const all = [...headersFrom(options), ...headers];
    const bytes = body === undefined ? undefined : encoder.encode(JSON.stringify(body));
    return this.#send({ method, path, query: queryFrom(query), headers: all, body: bytes, reads });
  }

  call(name, args) {
    return this.#json(requests[name](...args));
  }

  async get(collection, key) {
    const path = `${segment(collection)}/${segment(key)}`;
    const { status, headers, body } = await this.#exchange({ method: "GET", path, reads: true });
    const value = JSON.parse(decoder.decode(body));
    if (status < 400) return { key, version: Number(headerOf(headers, "etag").replaceAll('"', "")), document: value };
    if (value.code === "unknown_document") return null;
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

/// Follows a log by pages: `{events, nextOffset, upToDate, closed}`, without the empty ones.
async function* pages(changes, options) {
  let offset = options.offset ?? "now";
  for (;;) {
    const page = await changes({ ...options, offset, live: true });
    offset = page.nextOffset;
    if (page.events.length > 0 || page.closed) yield page;
    if (page.closed) return;
  }
}

/// Rows of a query by pages, to the end.
async function* rowsOf(query, collection, wanted) {
  let after = wanted.after;
  for (;;) {
    const page = await query(collection, { ...wanted, after });
    for (const row of page.rows) yield row;
    if (page.next === undefined || page.next === null) return;
    after = page.next;
  }
}

/// A stream of bytes, one JSON document a line, made as fast as it is read.
function lines(documents) {
  const iterator = documents[Symbol.asyncIterator]();
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      const { value, done } = await iterator.next();
      if (done) {
        controller.close();
        controller.byobRequest?.respond(0);
      } else {
        controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
      }
    },
    cancel: () => iterator.return?.(),
  });
}

/// A stream of the pages that follow `options.offset` (default: from now on).
export function subscribe(changes, options = {}) {
  return lines(pages(changes, options));
}

/// Calls `callback(page)` for each of them until it answers `false`, or the log is closed.
export async function follow(changes, options, callback) {
  for await (const page of pages(changes, options)) {
    if ((await callback(page)) === false) return page.nextOffset;
  }
  return undefined;
}

/// A stream of every row of a query.
export function rows(query, collection, wanted = {}) {
  return lines(rowsOf(query, collection, wanted));
}

const READS = new Set(["get", "query", "changes", "state"]);

/// An object as other Workers hold it. Reads are asked again once when the object was reset
/// (evicted, deployed, moved); writes are not: their caller has the idempotency key.
export class ObjectClient extends RpcTarget {
  #stub;

  constructor(stub) {
    super();
    this.#stub = stub;
  }

  async #call(name, args) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#stub()[name](...args);
      } catch (error) {
        const coded = error.name === "TidelogError" || /^[a-z_]+: /.test(error.message ?? "");
        const reset = !coded || error.message.startsWith("actor_reset");
        if (!READS.has(name) || !reset || attempt >= 3) throw error;
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
  get(...args) { return this.#call("get", args); }
  query(...args) { return this.#call("query", args); }
  changes(...args) { return this.#call("changes", args); }
  state() { return this.#call("state", []); }
  sync(...args) { return this.#call("sync", args); }
  deleteObject(...args) { return this.#call("deleteObject", args); }

  rows(collection, query) {
    return rows((...args) => this.#call("query", args), collection, query);
  }

  subscribe(options) {
    return subscribe((...args) => this.#call("changes", args), options);
  }

  follow(options, callback) {
    return follow((...args) => this.#call("changes", args), options, callback);
  }
}
