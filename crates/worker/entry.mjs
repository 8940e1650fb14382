// The Worker: the classes that Cloudflare runs, around the Rust actors.

import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import { Calls, ObjectClient, Snapshots, TidelogError, follow, rows, segment, subscribe } from "./calls.mjs";
import { answered, forward, isCacheEntry, lookedAt, sender, stubOf } from "./front.mjs";
import { bodyOf, drain, failureResponse, headersOf, responseOf } from "./http.mjs";
import { accept, advance } from "./sockets.mjs";
import { Held, nameOf } from "./instance.mjs";

const ALARM_AGAIN_MILLIS = 30_000;

/// A Durable Object that other actors ask, and that an alarm wakes. What Rust is handed of the
/// context is `storage`, so that a test can hand it another.
class Actor extends DurableObject {
  held;

  constructor(ctx, env, make, { storage } = ctx) {
    super(ctx, env);
    // An instance that an alarm started is not told its name: Rust finds it in the database.
    this.held = new Held((wasm) => make(wasm, storage, ctx.id.name));
  }

  ask(message, bytes) {
    return this.held.call(false, (actor) => actor.ask(message, bytes));
  }

  /// The platform gives up an alarm whose handler fails six times: a failure sets it again instead.
  async alarm() {
    try {
      await this.held.call(false, (actor) => actor.alarm());
    } catch (error) {
      console.error(`tidelog: an alarm's work failed: ${error?.message ?? error}`);
      await this.ctx.storage.setAlarm(Date.now() + ALARM_AGAIN_MILLIS);
    }
  }
}

/// One digital object.
export class TidelogObject extends Actor {
  #calls = new Calls((request) => this.#send(request));
  #told = -1;

  constructor(ctx, env, context) {
    super(ctx, env, (wasm, storage, name) => new wasm.ObjectActor(storage, env, name), context);
  }

  async fetch(request) {
    const url = new URL(request.url);
    if (request.headers.get("upgrade") === "websocket" && url.pathname.endsWith("/changes")) {
      return accept(this.ctx, this.held, url.search.slice(1));
    }
    if (isCacheEntry(url)) return await answered(this.env, request, url, await bodyOf(request));
    const [headers, body] = [headersOf(request), await bodyOf(request)];
    const queries = request.method === "POST" && url.pathname.endsWith("/query");
    const whole = body === undefined || body instanceof Uint8Array;
    const reads = whole && (request.method === "GET" || request.method === "HEAD" || queries);
    try {
      const query = url.search.slice(1);
      const answer = await this.held.call(reads, (actor, call) =>
        actor.fetch(request.method, url.pathname, query, headers, body, call),
      );
      if (answer.status >= 400) await drain(body);
      return responseOf(answer);
    } catch (error) {
      return failureResponse(error);
    } finally {
      this.#tellSockets();
    }
  }

  webSocketMessage(socket, message) {
    return advance(this.held, socket, String(message));
  }

  webSocketClose(socket) {
    socket.close();
  }

  async alarm() {
    await super.alarm();
    this.#tellSockets();
  }

  /// Sends sockets what the log has grown by; the answer to the writer does not wait for it.
  #tellSockets() {
    const sockets = this.ctx.getWebSockets();
    if (sockets.length === 0) return;
    const head = this.held.now((actor) => actor.head());
    if (head === this.#told) return;
    this.#told = head;
    this.ctx.waitUntil(Promise.all(sockets.map((socket) => advance(this.held, socket))));
  }

  async #send({ method, path, query, headers, body, reads, admin }) {
    const token = (admin && this.env.TIDELOG_ADMIN_TOKEN) || this.env.TIDELOG_TOKEN;
    // Who holds a binding was let in by the operator: the token is for HTTP.
    const all = token ? [...headers, "authorization", `Bearer ${token}`] : headers;
    try {
      const [, , type, id] = this.held.now((actor) => actor.name()).split("/");
      const root = `/v1/objects/${segment(type)}/${segment(id)}`;
      const full = path === "" ? root : `${root}/${path}`;
      return await this.held.call(reads, (actor, call) => actor.fetch(method, full, query, all, body, call));
    } catch (error) {
      if (!error.document) throw error;
      throw new TidelogError(JSON.parse(error.document));
    } finally {
      this.#tellSockets();
    }
  }

  #cached() {
    return new Calls(sender(this.env, this.held.now((actor) => actor.name())));
  }

  insert(...args) { return this.#calls.call("insert", args); }
  upsert(...args) { return this.#calls.call("upsert", args); }
  put(...args) { return this.#calls.call("put", args); }
  update(...args) { return this.#calls.call("update", args); }
  delete(...args) { return this.#calls.call("delete", args); }
  batch(...args) { return this.#calls.call("batch", args); }
  message(...args) { return this.#calls.call("message", args); }
  query(...args) { return this.#calls.call("query", args); }
  state() { return this.#calls.call("state", []); }
  sync(...args) { return this.#calls.call("sync", args); }
  deleteObject(...args) { return this.#calls.call("deleteObject", args); }
  get snapshots() { return new Snapshots((name, args) => this.#calls.call(name, args)); }
  restore(...args) { return this.#calls.call("restore", args); }
  restoreState() { return this.#calls.call("restoreState", []); }
  cancelRestore(...args) { return this.#calls.call("cancelRestore", args); }
  fork(...args) { return this.#calls.call("fork", args); }
  forkState() { return this.#calls.call("forkState", []); }
  cancelFork(...args) { return this.#calls.call("cancelFork", args); }
  check(...args) { return this.#calls.call("check", args); }
  heal(...args) { return this.#calls.call("heal", args); }
  healState() { return this.#calls.call("healState", []); }
  get(collection, key, options) { return this.#calls.get(collection, key, options); }
  cacheGet(...args) { return this.#cached().cacheGet(...args); }
  cachePut(...args) { return this.#cached().cachePut(...args); }
  cacheDelete(...args) { return this.#cached().cacheDelete(...args); }
  changes(options) { return this.#calls.changes(options); }
  rows(collection, query) { return rows((...args) => this.#durably(this.query(...args)), collection, query); }
  subscribe(options) { return subscribe((page) => this.#durably(this.changes(page)), options); }
  follow(options, callback) { return follow((page) => this.#durably(this.changes(page)), options, callback); }

  /// What goes out on an open stream or to a callback waits until what it could have seen is durable.
  async #durably(result) {
    const value = await result;
    await this.held.call(true, (actor) => actor.gate());
    return value;
  }
}

/// One collection's Iceberg tables.
export class TidelogTable extends Actor {
  constructor(ctx, env, context) {
    super(ctx, env, (wasm, storage, name) => new wasm.TableActor(storage, env, name), context);
  }
}

/// One shard of types and the list of objects.
export class TidelogRegistry extends Actor {
  constructor(ctx, env, context) {
    super(ctx, env, (wasm, storage) => new wasm.RegistryActor(storage), context);
  }
}

/// The names of the tables.
export class TidelogCatalog extends Actor {
  constructor(ctx, env, context) {
    super(ctx, env, (wasm, storage) => new wasm.CatalogActor(storage), context);
  }
}

/// HTTP for everyone, typed calls for other Workers.
export default class Tidelog extends WorkerEntrypoint {
  async fetch(request) {
    const url = new URL(request.url);
    try {
      if (!url.pathname.startsWith("/v1/objects/")) return await answered(this.env, request, url, await bodyOf(request));
      // What is an object's is read where the object is, unless the cache may have it.
      const { warm, body, onwards } = await lookedAt(request, url);
      const plain = warm || this.env.TIDELOG_TOKEN ? undefined : plainNameOf(url.pathname);
      if (plain !== undefined) return await forward(this.env, plain, onwards);
      return await answered(this.env, request, url, warm ? body : undefined, onwards);
    } catch (error) {
      return failureResponse(error);
    }
  }

  /// The object of this type and id, to call.
  object(type, id) {
    let name;
    try {
      name = nameOf(type, id);
    } catch (document) {
      throw new TidelogError(JSON.parse(document));
    }
    return new ObjectClient(() => stubOf(this.env, name), sender(this.env, name));
  }
}

/// Types and ids without anything that is escaped or refused, as most are. What is not of this form
/// is looked at in Rust, and so is everything where there is a token to check.
const PLAIN = /^\/v1\/objects\/([a-z][a-z0-9_]{0,63})\/([A-Za-z0-9_-]{1,128})(?:\/|$)/;

/// The name of the object that a plain path is for.
function plainNameOf(path) {
  const [, type, id] = PLAIN.exec(path) ?? [];
  if (type === undefined || type.startsWith("sqlite_")) return undefined;
  return `default/object/${type}/${id}/0`;
}
