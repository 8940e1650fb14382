// workerd alone: actors are torn down at every effect boundary of a script that writes and flushes, of
// documents that stay rows and of some that fold into blobs.
// Nothing acknowledged is lost, nothing is doubled, and the lake equals the log.
//
// `POST /test/break?actor=&at=N` tears an actor down at its N-th boundary from then on; `GET
// /test/passed?actor=` says how many it has passed since. When those are fewer than N, all were tried.

import { Unmet } from "../tester.mjs";

export const name = "worker-teardown";
export const only = "worker";
export const millis = 600_000;

const TURNS = 3;
const ROWS = 5;
/** Documents that are deleted at the end. */
const GONE = [0, 1, 7];
const TRIES = 50;
const BOUNDARIES_MAX = 200;

const fields = (name, threshold) =>
  `[collections.${name}]\nkey = ["sku"]\n[collections.${name}.hot]\nvortex_threshold = ${threshold}\n[collections.${name}.fields]\nsku = { type = "int", required = true }\n`;

export async function run(t) {
  await t.register(fields("items", 0) + fields("folded", 4) + fields("later", 6));
  await everyBoundary(t, "object", "items", (id) => t.objectActor(id));
  await everyBoundary(t, "object", "folded", (id) => t.objectActor(id));
  await everyBoundary(t, "object", "later", (id) => t.objectActor(id));
  await everyBoundary(t, "table", "items", () => t.tableActor("items"));
}

async function everyBoundary(t, kind, collection, actorOf) {
  const ids = [];
  for (let at = 1; ; at += 1) {
    t.check(`the script of ${kind}s ends`, at <= BOUNDARIES_MAX);
    const id = `${kind}-${collection}-${at}`;
    ids.push(id);
    await t.host.test("break", actorOf(id), `&at=${at}`);
    await script(t, id, collection);
    const answer = await t.quietly("GET", `/test/passed?actor=${encodeURIComponent(actorOf(id))}`);
    t.check(`/test/passed says a number, not ${answer.status} ${answer.text}`, /^\d+\s*$/.test(answer.text));
    await t.host.test("break", actorOf(id), "&at=Infinity");
    if (Number(answer.text) < at) break;
  }
  console.log(`worker-teardown: ${ids.length - 1} boundaries of the ${kind} with ${collection}`);
  t.check(`the ${kind} was torn down at all`, ids.length > 3);
  await t.settle(...ids);
  await t.lakeIsLog(collection, ...ids);
}

async function script(t, id, collection) {
  const key = (turn) => ({ "idempotency-key": `turn ${turn}` });
  for (let turn = 0; turn < TURNS; turn += 1) {
    const rows = Array.from({ length: ROWS }, (_, at) => ({ sku: turn * ROWS + at }));
    await insisting(t, `${t.object(id)}/${collection}`, { json: rows, headers: key(turn) });
  }
  const mutations = GONE.map((sku) => ({ op: "delete", collection, key: String(sku) }));
  await insisting(t, `${t.object(id)}/batch`, { json: { mutations }, headers: key("of deletes") });
  await insisting(t, `${t.object(id)}/sync`, { json: { tier: "cold" } });
  await t.folded(id);
  const events = await t.events(id);
  const keys = events.map((event) => Number(event.documentId)).join();
  const made = Array.from({ length: TURNS * ROWS }, (_, at) => at);
  t.check(`${id} has every acknowledged event once: ${keys}`, keys === [...made, ...GONE].join());
  t.check(`${id} has no gap`, events.every((event, at) => event.sequence === at + 1));
  const query = { json: { select: ["sku"], orderBy: ["sku"] } };
  const there = (await t.quietly("POST", `${t.object(id)}/${collection}/query`, query)).json().rows.map((row) => row.sku).join();
  t.check(`${id} has the documents of its log: ${there}`, there === made.filter((sku) => !GONE.includes(sku)).join());
}

/** What a client does whose answer was lost: the same request again. */
async function insisting(t, path, options) {
  let last;
  for (let tries = 0; tries < TRIES; tries += 1) {
    try {
      last = await t.quietly("POST", path, options);
      if (last.status < 300) return;
      if (last.status < 500) break;
    } catch (error) {
      last = { status: error.code, text: error.message };
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Unmet(`POST ${path}: ${last.status} ${last.text}`);
}
