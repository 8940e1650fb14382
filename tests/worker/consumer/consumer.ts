// A Worker that is none of ours: it has two bindings and the declarations, and calls objects. Each
// path `/<scenario>` runs one scenario and answers what the calls gave; run.mjs judges it.

import { documentsOf, errorOf, objectName } from "../../../crates/worker/client.mjs";
import type {
  ChangeEvent, ChangesPage, Document, Found, Json, ObjectCalls, ObjectNamespace, ReadOptions, Tidelog, TurnReply,
} from "../../../crates/worker/index.js";

export interface Env {
  TIDELOG: Tidelog;
  OBJECT: ObjectNamespace;
}

/** What a scenario is asked with: the query of the request. */
interface Asked {
  env: Env;
  type: string;
  id: string;
  /** The object through the binding that the request names. */
  object: ObjectCalls;
  /** A number of the query. */
  number(name: string): number;
  text(name: string): string;
}

type Scenario = (asked: Asked) => Promise<unknown>;

/** An error as it arrived. */
interface Seen {
  name: string;
  message: string;
  members: string[];
  code: string | undefined;
  status: number | undefined;
  field: string | undefined;
}

function seen(error: unknown): Seen {
  const problem = errorOf(error);
  const { name, message } = error as Error;
  const members = Object.getOwnPropertyNames(error);
  return { name, message, members, code: problem?.code, status: problem?.status, field: problem?.field };
}

async function refused(call: () => Promise<unknown>): Promise<Seen | { answered: unknown }> {
  try {
    return { answered: await call() };
  } catch (error) {
    return seen(error);
  }
}

/** One of the routes that only the test variant has. */
async function test(env: Env, what: "evict" | "trap" | "break", actor: string, more = ""): Promise<void> {
  const path = `http://tidelog/test/${what}?actor=${encodeURIComponent(actor)}${more}`;
  const answer = await env.TIDELOG.fetch(path, { method: "POST" });
  if (answer.status !== 204) throw new Error(`${what}: ${answer.status} ${await answer.text()}`);
}

const note = (id: string, text: string): Document => ({ id, text });

/** Every call once, with its typed answer. */
const calls: Scenario = async ({ object }) => {
  const inserted: TurnReply = await object.insert("notes", [note("a", "1"), note("b", "2")], {
    source: "consumer", correlationId: "joined", idempotencyKey: "schlüssel 鍵",
  });
  const repeated = await object.insert("notes", [note("a", "1"), note("b", "2")], { idempotencyKey: "schlüssel 鍵" });
  const upserted = await object.upsert("notes", note("b", "3"));
  const put = await object.put("notes", "c", note("c", "4"), { ifVersion: 0 });
  const updated = await object.update("notes", "a", { text: "5" }, { ifVersion: 1 });
  const deleted = await object.delete("notes", "b");
  const batch = await object.batch([
    { op: "insert", collection: "notes", document: note("d", "6") },
    { op: "upsert", collection: "notes", document: note("a", "7") },
    { op: "put", collection: "notes", key: "e", document: note("e", "8") },
    { op: "update", collection: "notes", key: "c", patch: { text: "9" } },
    { op: "delete", collection: "notes", key: "d" },
  ]);
  const found: Found | null = await object.get("notes", "a");
  const missing: null | Found = await object.get("notes", "never");
  const query = await object.query("notes", { where: { text: { gte: "7" } }, orderBy: ["-text"], limit: 2 });
  const counted = await object.query("notes", { aggregate: { notes: { count: "*" } } });
  const changes: ChangesPage = await object.changes({ offset: inserted.offset, operations: ["UPDATE", "DELETE"], images: "full" });
  const all = await object.changes();
  const atEnd = await object.changes({ offset: all.nextOffset });
  const state = await object.state();
  const synced = await object.sync("cold");
  return { inserted, repeated, upserted, put, updated, deleted, batch, found, missing, query, counted, changes, all, atEnd, state, synced };
};

/** Reads that the cache may answer, and entries of it. */
const warm: Scenario = async ({ object }) => {
  await object.insert("notes", note("a", "1"));
  const read = async (options: ReadOptions) => (await object.get("notes", "a", options))?.document.text;
  const filled = await read({ consistency: "warm" });
  const { offset } = await object.update("notes", "a", { text: "2" });
  const kept = await read({ consistency: "warm" });
  const strong = await read({ consistency: "strong", atLeast: offset });
  const caughtUp = await read({ consistency: "warm", atLeast: offset });
  const rows = await object.query("notes", { consistency: "warm", where: { text: "2" } });
  const entry = async () => {
    const found = await object.cacheGet("users:1/ü");
    return found && [new TextDecoder().decode(found.body), found.contentType, found.age < 60];
  };
  const entries: unknown[] = [await entry()];
  await object.cachePut("users:1/ü", "hello", { contentType: "text/plain", ttl: "2m" });
  entries.push(await entry());
  await object.cachePut("users:1/ü", new Uint8Array([104, 105]));
  entries.push(await entry());
  await object.cacheDelete("users:*");
  entries.push(await entry());
  const ttl = await refused(() => object.cachePut("k", "x", { ttl: 1 }));
  const prefix = await refused(() => object.cacheDelete("k*"));
  const synced = await object.sync("warm");
  return { filled, kept, strong, caughtUp, rows: rows.rows, entries, ttl, prefix, synced };
};

/** Reads from the lake. */
const cold: Scenario = async ({ object }) => {
  await object.insert("notes", note("a", "1"));
  await object.sync("cold");
  const read = (key: string, options: ReadOptions) => object.get("notes", key, options);
  const first = await read("a", { tier: "cold" });
  const { offset } = await object.update("notes", "a", { text: "2" });
  const kept = await read("a", { tier: "cold" });
  const hot = await read("a", { tier: "hot", consistency: "strong" });
  const missing = await read("never", { tier: "cold" });
  const early = await refused(() => read("a", { tier: "cold", atLeast: offset }));
  const both = await refused(() => read("a", { tier: "cold", consistency: "warm" }));
  const local = await refused(() => object.get("pushed", "a", { tier: "cold" }));
  await object.sync("cold");
  const caughtUp = await read("a", { tier: "cold", atLeast: offset });
  return { first, kept, hot, missing, early, both, local, caughtUp };
};

/** Errors of every kind, as they arrive. */
const errors: Scenario = async ({ env, type, id, object }) => {
  await object.upsert("notes", note("a", "1"));
  const odd = (value: unknown): Document => value as Document;
  return {
    duplicate: await refused(() => object.insert("notes", note("a", "1"))),
    missingField: await refused(() => object.insert("notes", { id: "x" })),
    wrongType: await refused(() => object.insert("notes", { id: "x", text: 1 })),
    collection: await refused(() => object.get("nothing", "a")),
    version: await refused(() => object.update("notes", "a", { text: "2" }, { ifVersion: 99 })),
    document: await refused(() => object.update("notes", "never", { text: "2" })),
    message: await refused(() => object.message<{ total: number }, { by: number }>("add", { by: 1 }, { idempotencyKey: "m" })),
    field: await refused(() => object.query("notes", { where: { never: 1 } })),
    offset: await refused(() => object.changes({ offset: "rubbish" })),
    empty: await refused(() => object.insert("notes", [])),
    bigint: await refused(() => object.insert("notes", odd({ id: "x", text: 1n }))),
    surrogate: await refused(() => object.get("notes", "\ud800")),
    label: await refused(() => object.insert("notes", note("x", "1"), { idempotencyKey: "two\nlines" })),
    keyReused: await refused(async () => {
      await object.insert("notes", note("k1", "1"), { idempotencyKey: "鍵一" });
      await object.insert("notes", note("k2", "1"), { idempotencyKey: "鍵二" });
      await object.insert("notes", note("k3", "1"), { idempotencyKey: "鍵二" });
    }),
    objectId: await refused(() => env.TIDELOG.object(type, "a/b").state()),
    typeName: await refused(() => env.TIDELOG.object("No Type", id).state()),
    unknownObject: await refused(() => env.TIDELOG.object(type, `${id} never written`).state()),
    unknownType: await refused(() => env.TIDELOG.object("nonesuch", id).insert("notes", note("a", "1"))),
    noName: await refused(() => env.OBJECT.get(env.OBJECT.idFromName("rubbish")).state()),
    stream: await refused(async () => {
      for await (const page of documentsOf(await object.subscribe({ offset: "rubbish" }))) return page;
      return undefined;
    }),
    rows: await refused(async () => {
      for await (const row of documentsOf(await object.rows("nothing"))) return row;
      return undefined;
    }),
    follow: await refused(() => object.follow({ offset: "rubbish" }, () => false)),
    callback: await refused(() => object.follow({ offset: "-1" }, () => { throw new Error("the callback failed"); })),
  };
};

/** Reads a stream of rows, and how much of it came at once. */
const rows: Scenario = async ({ object, number }) => {
  const stream = await object.rows("notes", { orderBy: ["_key"], limit: number("page") });
  let chunkBytesMax = 0;
  const measured = stream.pipeThrough(new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      chunkBytesMax = Math.max(chunkBytesMax, chunk.byteLength);
      controller.enqueue(chunk);
    },
  }));
  let [count, inOrder, last] = [0, true, ""];
  for await (const row of documentsOf<{ _key: string }>(measured)) {
    inOrder &&= row._key > last;
    last = row._key;
    count += 1;
  }
  return { count, inOrder, last, chunkBytesMax };
};

/** What a follower saw: sequences alone, to keep the answer short. */
class Log {
  readonly sequences: number[] = [];
  pages = 0;
  closed = false;

  take(page: ChangesPage): void {
    this.pages += 1;
    this.closed ||= page.closed;
    this.sequences.push(...page.events.map((event: ChangeEvent) => event.sequence));
  }

  has(sequence: number): boolean {
    return this.closed || (this.sequences.at(-1) ?? 0) >= sequence;
  }
}

const subscribe: Scenario = async ({ object, number, text }) => {
  const log = new Log();
  const stream = await object.subscribe({ offset: text("offset"), limit: number("limit") });
  for await (const page of documentsOf(stream)) {
    log.take(page);
    if (log.has(number("until"))) break;
  }
  return log;
};

/** As a caller of the stub itself does it: a stream that breaks off is opened again at the last offset. */
const resume: Scenario = async ({ env, type, id, number, text }) => {
  const log = new Log();
  const breaks: string[] = [];
  let offset = text("offset");
  while (!log.has(number("until"))) {
    try {
      const stub = env.OBJECT.getByName(objectName(type, id));
      for await (const page of documentsOf(await stub.subscribe({ offset, limit: number("limit") }))) {
        log.take(page);
        offset = page.nextOffset;
        if (log.has(number("until"))) break;
      }
    } catch (error) {
      breaks.push((error as Error).message);
    }
  }
  return { ...log, breaks };
};

const follow: Scenario = async ({ object, number, text }) => {
  const log = new Log();
  const next = await object.follow({ offset: text("offset"), limit: number("limit") }, (page) => {
    log.take(page);
    return !log.has(number("until"));
  });
  return { ...log, next };
};

/** "Now" is when the subscription began, however often its object goes before the first event. */
const fromNow: Scenario = async ({ env, type, id }) => {
  using object = env.TIDELOG.object(type, id);
  const log = new Log();
  const first = await object.upsert("notes", note("n", "before"));
  const stream = await object.subscribe();
  for (const text of ["1", "2", "3"]) {
    await test(env, "evict", objectName(type, id));
    await object.upsert("notes", note("n", text));
    await test(env, "evict", objectName(type, id));
  }
  const before = first.written[0]?.version ?? NaN;
  for await (const page of documentsOf(stream)) {
    log.take(page);
    if (log.has(before + 3)) break;
  }
  return { before, ...log };
};

/** Opens a subscription, reads one page and waits: how many pages did the object make meanwhile? */
const slow: Scenario = async ({ env, type, id, number }) => {
  const object = env.TIDELOG.object(type, id);
  const requests = async () => (await object.state()).costs?.meter.requests ?? NaN;
  const before = await requests();
  const log = new Log();
  let made = NaN;
  for await (const page of documentsOf(await object.subscribe({ offset: "-1", limit: number("limit") }))) {
    log.take(page);
    if (log.pages === 1) made = await settled(requests) - before;
    if (log.has(number("until"))) break;
  }
  return { made, ...log };
};

/** A count that only its own asking moves; calls of `state` are one each. */
async function settled(count: () => Promise<number>): Promise<number> {
  for (let [before, asked, quiet] = [await count(), 1, 0]; ; asked += 1) {
    await scheduler.wait(50);
    const now = await count();
    quiet = now === before + 1 ? quiet + 1 : 0;
    before = now;
    if (quiet === 10) return now - asked;
  }
}

const ids: Scenario = async ({ object, text }) => {
  const key = text("key");
  const inserted = await object.insert("notes", note(key, "by rpc"));
  const found = await object.get("notes", key);
  const { id } = await object.state();
  return { id, inserted, found };
};

/** Goes on with the same stub after its object trapped, and after it was torn down. */
const trap: Scenario = async ({ env, type, id, object }) => {
  const actor = objectName(type, id);
  await object.upsert("notes", note("t", "before"));
  await test(env, "trap", actor);
  const trapped = await refused(() => object.upsert("notes", note("t", "lost")));
  const kept = await object.get("notes", "t");
  const again = await object.upsert("notes", note("t", "after"));
  const read = await object.get("notes", "t");
  return { trapped, kept, again, read };
};

/** Through the service binding reads survive an eviction and writes are answered with a code. */
const evicted: Scenario = async ({ env, type, id }) => {
  using object = env.TIDELOG.object(type, id);
  await object.upsert("notes", note("v", "1"), { idempotencyKey: "first" });
  await test(env, "evict", objectName(type, id));
  const read = await object.get("notes", "v");
  const repeated = await object.upsert("notes", note("v", "1"), { idempotencyKey: "first" });
  // Torn down right behind its transaction, before it is durable and anyone is told.
  await test(env, "break", objectName(type, id), "&at=2");
  const broken = await refused(() => object.upsert("notes", note("v", "2"), { idempotencyKey: "second" }));
  const settled = await object.upsert("notes", note("v", "2"), { idempotencyKey: "second" });
  const after = await object.get("notes", "v");
  return { read, repeated, broken, settled, after };
};

/** Snapshots and restores, there and back. */
const snapshots: Scenario = async ({ object }) => {
  const texts = async (): Promise<unknown[]> => {
    const { rows } = await object.query("notes", { orderBy: ["id"] });
    return rows.map((row) => [row.id, row.text]);
  };
  await object.insert("notes", [note("a", "1"), note("b", "1")]);
  const full = await object.snapshots.create({ note: "two", actor: "ada" });
  const read = await object.snapshots.get(full.id);
  await object.batch([
    { op: "update", collection: "notes", key: "a", patch: { text: "2" } },
    { op: "delete", collection: "notes", key: "b" },
    { op: "insert", collection: "notes", document: note("c", "2") },
  ]);
  const next = await object.snapshots.create({ kind: "incremental", parent: full.id });
  const listed = await object.snapshots.list({ limit: 10 });
  const dry = await object.restore({ snapshot: full.id, dryRun: true });
  const restored = await object.restore({ sequence: 2, collections: ["notes"], reason: "a test" });
  const state = await object.restoreState();
  const back = await texts();
  await object.restore({ snapshot: restored.undo ?? "" });
  const undone = await texts();
  const early = await refused(() => object.restore({ time: new Date(0), dryRun: true }));
  const idle = await refused(() => object.cancelRestore());
  const held = await refused(() => object.snapshots.delete(full.id));
  const deleted = await object.snapshots.delete(next.id, { actor: "ada", reason: "tidy" });
  const gone = await refused(() => object.snapshots.get(next.id));
  const audit = await object.snapshots.audit();
  return { full, read, next, listed, dry, restored, state, back, undone, early, idle, held, deleted, gone, audit };
};

const remove: Scenario = async ({ object }) => {
  const log = new Log();
  const stream = await object.subscribe({ offset: "-1" });
  const deleted = await object.deleteObject({ source: "consumer" });
  for await (const page of documentsOf(stream)) log.take(page);
  const write = await refused(() => object.get("notes", "a"));
  return { deleted, ...log, write };
};

/** Answers of HTTP through the binding, as another Worker fetches them. */
const http: Scenario = async ({ env, type, id }) => {
  const path = `http://tidelog/v1/objects/${encodeURIComponent(type)}/${encodeURIComponent(id)}/state`;
  const headers = { authorization: "Bearer a-token-of-the-tests" };
  const open = await env.TIDELOG.fetch(path);
  const state = await env.TIDELOG.fetch(path, { headers });
  return { open: open.status, state: state.status, body: (await state.json()) as Json };
};

const scenarios: { [name: string]: Scenario } = {
  calls, warm, cold, errors, rows, snapshots, subscribe, resume, follow, fromNow, slow, ids, trap, evicted, remove,
  http,
};

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const text = (name: string): string => searchParams.get(name) ?? "";
    const [type, id] = [text("type"), text("id")];
    const object = text("through") === "stub"
      ? env.OBJECT.get(env.OBJECT.idFromName(objectName(type, id)))
      : env.TIDELOG.object(type, id);
    const scenario = scenarios[pathname.slice(1)];
    if (!scenario) return new Response("no such scenario\n", { status: 404 });
    try {
      const answer = await scenario({ env, type, id, object, text, number: (name) => Number(text(name)) });
      return Response.json(answer ?? null);
    } catch (error) {
      return Response.json({ failed: seen(error) }, { status: 500 });
    }
  },
};
