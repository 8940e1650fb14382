// What a case works with: requests that go into the transcript, and the few things that are done to a
// host rather than asked of it.

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { EventStream, send } from "./http.mjs";
import { Transcript } from "./transcript.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const SETTLE_MILLIS = 30_000;

/** What a case said must hold does not. */
export class Unmet extends Error {}

export class Tester {
  transcript = new Transcript();
  /** Answers that were not as a step expected; the case goes on, so that one run shows them all. */
  unmet = [];
  #host;
  #evictBetween;
  #touched = new Set();
  #steps = 0;

  /** `type`: the name of a type that is this run's own. */
  constructor(host, type, evictBetween) {
    this.#host = host;
    this.type = type;
    this.#evictBetween = evictBetween;
  }

  get host() {
    return this.#host;
  }

  // Paths.

  object(id = "one") {
    return `/v1/objects/${this.type}/${encodeURIComponent(id)}`;
  }

  /** The permanent addresses of an object and of a collection's table. */
  objectActor(id = "one") {
    return `default/object/${this.type}/${id}/0`;
  }

  tableActor(collection) {
    return `default/table/${this.type}/${collection}/0`;
  }

  // Requests.

  /** One request. `json`, `toml`, `ndjson`, `patch` set body and content type; `expect` is a status
   * with or without a code, such as 201 or "400 wrong_type". */
  async request(method, path, options = {}) {
    const step = { ...options, ...bodyOf(options), method, path };
    if (this.#evictBetween && this.#steps > 0) await this.evict();
    this.#steps += 1;
    this.#touch(path);
    const answer = await send(this.#host.url, step);
    this.#record(step, answer);
    return answer;
  }

  get(path, options) {
    return this.request("GET", path, options);
  }

  post(path, json, options) {
    return this.request("POST", path, { json, ...options });
  }

  put(path, json, options) {
    return this.request("PUT", path, { json, ...options });
  }

  patch(path, patch, options) {
    return this.request("PATCH", path, { patch, ...options });
  }

  delete(path, options) {
    return this.request("DELETE", path, options);
  }

  /** Registers a type, this run's own unless another is named: collections in TOML. */
  register(collections, { name = this.type, expect = 201 } = {}) {
    return this.request("PUT", `/v1/types/${name}`, { toml: `type = "${name}"\n${collections}`, expect });
  }

  /** A request whose answer is the case's business only: it does not enter the transcript. */
  quietly(method, path, options = {}) {
    return send(this.#host.url, { ...options, ...bodyOf(options), method, path });
  }

  /** A table of refusals: [method, path, options, "status code"]. */
  async refused(rows) {
    for (const [method, path, options, expect] of rows) await this.request(method, path, { ...options, expect });
  }

  /** Every page of an object's log from the start. */
  async changes(id = "one", parameters = "") {
    for (let offset = "-1"; ; ) {
      const page = await this.get(`${this.object(id)}/changes?offset=${offset}${parameters}`, { expect: 200 });
      if (page.header("stream-up-to-date") === "true") return;
      const next = page.header("stream-next-offset");
      this.check(`the log moves on from ${offset}`, next !== offset);
      offset = next;
    }
  }

  /** Starts a request that waits, does something else, then takes the answer. */
  async meanwhile(method, path, action) {
    this.#touch(path);
    const waiting = send(this.#host.url, { method, path });
    waiting.catch(() => {}); // seen below
    await action();
    const answer = await waiting;
    this.#record({ method, path }, answer);
    return answer;
  }

  /** Follows server-sent events; `action` is given a function that waits for so many of them. */
  async follow(path, action) {
    this.#touch(path);
    const step = { method: "GET", path };
    const stream = await EventStream.open(this.#host.url, step);
    let answer;
    await action((count) => stream.wait(count)).finally(() => {
      answer = stream.close();
      this.#record(step, answer);
    });
    return answer;
  }

  #record(step, answer) {
    this.transcript.step(step, answer);
    if (step.expect === undefined) return;
    const code = answer.status >= 400 && answer.text !== "" ? ` ${codeOf(answer)}` : "";
    const found = typeof step.expect === "number" ? answer.status : `${answer.status}${code}`;
    if (found === step.expect) return;
    const asked = `${step.method} ${step.path.slice(0, 200)} ${String(step.body ?? "").slice(0, 120)}`;
    this.unmet.push(`${asked} was to be answered ${step.expect}, not ${found}: ${answer.text.slice(0, 400)}`);
  }

  // The host.

  /** Evicts the actors that requests have named so far, or the ones given. */
  async evict(actors = [...this.#touched]) {
    await this.#host.evict(actors);
  }

  #touch(path) {
    const [, v1, objects, type, id, collection] = path.split("?")[0].split("/");
    if (v1 !== "v1" || objects !== "objects" || !collection || ![this.type, ...this.types].includes(type)) return;
    this.#touched.add(`default/object/${type}/${decodeURIComponent(id)}/0`);
    if (type !== this.type) return;
    if (this.collections.includes(collection)) this.#touched.add(this.tableActor(collection));
  }

  /** The collections of the case's type whose tables are evicted with its objects. */
  collections = [];

  /** Types besides the case's own whose objects are evicted with its objects. */
  types = [];

  /** Starts the host again with a bearer token, or without one; with that of administrators unless `admin` is
   * false; with `forgets`, logs lose at once what the lake has. */
  restart(settings) {
    return this.#host.restart(settings);
  }

  /** Waits until everything these objects logged is in the lake, without asking for a sync. */
  async settle(...ids) {
    const deadline = Date.now() + SETTLE_MILLIS;
    for (const id of ids) {
      for (let answer; !isSettled(answer); ) {
        if (Date.now() > deadline) throw new Unmet(`${id} does not settle: ${answer?.status} ${answer?.text}`);
        if (answer) await new Promise((resolve) => setTimeout(resolve, 20));
        answer = await this.quietly("GET", `${this.object(id)}/state`);
      }
    }
  }

  /** Waits until an object's log begins behind an event. */
  async trimmed(last, id = "one") {
    const deadline = Date.now() + SETTLE_MILLIS;
    for (;;) {
      const answer = await this.quietly("GET", `${this.object(id)}/state`);
      if (answer.json().earliest > last) return;
      if (Date.now() > deadline) throw new Unmet(`${id} is not trimmed: ${answer.status} ${answer.text}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Waits until no step of folding is due in these objects. */
  async folded(...ids) {
    const deadline = Date.now() + SETTLE_MILLIS;
    for (const id of ids) {
      for (let answer; !isFolded(answer); ) {
        if (Date.now() > deadline) throw new Unmet(`${id} does not fold: ${answer?.status} ${answer?.text}`);
        if (answer) await new Promise((resolve) => setTimeout(resolve, 10));
        answer = await this.quietly("GET", `${this.object(id)}/state`);
      }
    }
  }

  /** Every row of a collection's changes table, read by PyIceberg from a copy of the blobs. */
  async lake(collection) {
    const rows = await this.lakeRows(collection);
    this.transcript.rows(`rows of ${collection}_changes`, rows);
    return rows.map((row) => JSON.parse(row));
  }

  /** The collection's table holds exactly the events of these objects' logs, each once. */
  async lakeIsLog(collection, ...ids) {
    const rows = (await this.lakeRows(collection)).map((row) => JSON.parse(row));
    const found = rows.filter((row) => ids.includes(row._object));
    const lake = found.map((row) => [row._object, row._epoch, row._sequence, row._operation, row._key].join(" "));
    const log = [];
    for (const id of ids) {
      for (const event of await this.events(id)) {
        if (event.collection === collection) log.push([id, event.epoch, event.sequence, event.operation, event.documentId].join(" "));
      }
    }
    const [lacking, extra] = [missing(log, lake), missing(lake, log)];
    this.check(`the lake lacks ${lacking.slice(0, 5)} and has ${extra.slice(0, 5)} too much`, lacking.length + extra.length === 0);
  }

  /** All events of an object, outside the transcript. */
  async events(id = "one") {
    const all = [];
    for (let offset = "-1"; ; ) {
      const page = await this.quietly("GET", `${this.object(id)}/changes?offset=${offset}`);
      this.check(`the log of ${id} can be read: ${page.status} ${page.text.slice(0, 200)}`, page.status === 200);
      all.push(...page.json());
      if (page.header("stream-up-to-date") === "true") return all;
      offset = page.header("stream-next-offset");
    }
  }

  async lakeRows(collection) {
    const path = `/iceberg/v1/default/namespaces/${this.type}/tables/${collection}_changes`;
    const table = await send(this.#host.url, { method: "GET", path });
    if (table.status !== 200) throw new Unmet(`GET ${path}: ${table.status} ${table.text}`);
    const folder = await mkdtemp(join(tmpdir(), "tidelog-blobs-"));
    try {
      await this.#host.exportBlobs(folder);
      const args = [join(HERE, "lake.py"), folder, table.json()["metadata-location"]];
      const { stdout } = await promisify(execFile)(python(), args, { maxBuffer: 1 << 28 });
      return stdout.split("\n").filter(Boolean);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  // Claims.

  note(text) {
    this.transcript.note(text);
  }

  /** Something that must hold on every host. */
  check(what, holds) {
    if (!holds) throw new Unmet(what);
  }
}

function bodyOf({ json, patch, toml, ndjson, body, headers }) {
  const typed = (type, text) => ({ body: text, headers: { "content-type": type, ...headers } });
  if (json !== undefined) return typed("application/json", typeof json === "string" ? json : JSON.stringify(json));
  if (patch !== undefined) return typed("application/merge-patch+json", JSON.stringify(patch));
  if (toml !== undefined) return typed("application/toml", toml);
  if (ndjson !== undefined) return typed("application/x-ndjson", ndjson);
  return { body, headers };
}

/** Items of `wanted` that `there` does not hold, as often as they stand in it. */
function missing(wanted, there) {
  const left = new Map();
  for (const item of there) left.set(item, (left.get(item) ?? 0) + 1);
  return wanted.filter((item) => {
    const count = left.get(item) ?? 0;
    left.set(item, count - 1);
    return count <= 0;
  });
}

function codeOf(answer) {
  try {
    return answer.json().code;
  } catch {
    return "(no JSON)";
  }
}

function isSettled(answer) {
  if (answer?.status !== 200) return false;
  const state = answer.json();
  return Array.isArray(state.lake) && state.lake.every((table) => table.lagEvents === 0 && table.committed === state.head);
}

function isFolded(answer) {
  return answer?.status === 200 && !answer.json().wakes.some((timer) => timer.name === "fold");
}

function python() {
  return process.env.TIDELOG_PYTHON ?? join(HERE, "../../.cache/venv/bin/python");
}
