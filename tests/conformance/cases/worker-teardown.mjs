// workerd alone: actors are torn down at every effect boundary of a script that writes and flushes.
// Nothing acknowledged is lost, nothing is doubled, and the lake equals the log.
//
// `POST /test/break?actor=&at=N` tears an actor down at its N-th boundary from then on; `GET
// /test/passed?actor=` says how many it has passed since. When those are fewer than N, all were tried.

import { Unmet } from "../tester.mjs";

export const name = "worker-teardown";
export const only = "worker";
export const millis = 400_000;

const TURNS = 3;
const ROWS = 5;
const TRIES = 50;
const BOUNDARIES_MAX = 200;

export async function run(t) {
  await t.register('[collections.items]\nkey = ["sku"]\n[collections.items.fields]\nsku = { type = "int", required = true }\n');
  await everyBoundary(t, "object", (id) => t.objectActor(id));
  await everyBoundary(t, "table", () => t.tableActor("items"));
}

async function everyBoundary(t, kind, actorOf) {
  const ids = [];
  for (let at = 1; ; at += 1) {
    t.check(`the script of ${kind}s ends`, at <= BOUNDARIES_MAX);
    const id = `${kind}-${at}`;
    ids.push(id);
    await t.host.test("break", actorOf(id), `&at=${at}`);
    await script(t, id);
    const answer = await t.quietly("GET", `/test/passed?actor=${encodeURIComponent(actorOf(id))}`);
    t.check(`/test/passed says a number, not ${answer.status} ${answer.text}`, /^\d+\s*$/.test(answer.text));
    await t.host.test("break", actorOf(id), "&at=Infinity");
    if (Number(answer.text) < at) break;
  }
  console.log(`worker-teardown: ${ids.length - 1} boundaries of the ${kind}`);
  t.check(`the ${kind} was torn down at all`, ids.length > 3);
  await t.settle(...ids);
  await t.lakeIsLog("items", ...ids);
}

async function script(t, id) {
  for (let turn = 0; turn < TURNS; turn += 1) {
    const rows = Array.from({ length: ROWS }, (_, at) => ({ sku: turn * ROWS + at }));
    await insisting(t, `${t.object(id)}/items`, { json: rows, headers: { "idempotency-key": `turn ${turn}` } });
  }
  await insisting(t, `${t.object(id)}/sync`, { json: { tier: "cold" } });
  const events = await t.events(id);
  const keys = events.map((event) => Number(event.documentId)).join();
  const wanted = Array.from({ length: TURNS * ROWS }, (_, at) => at).join();
  t.check(`${id} has every acknowledged row once: ${keys}`, keys === wanted);
  t.check(`${id} has no gap`, events.every((event, at) => event.sequence === at + 1));
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
