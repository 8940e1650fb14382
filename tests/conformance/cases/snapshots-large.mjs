// A snapshot and a restore that take several turns: the timer goes on with them, whatever becomes of
// the instance in between; one can be given up.

import { ADMIN_TOKEN } from "../hosts/pace.mjs";

export const name = "snapshots-large";

const ROWS = 24_000;
const TURN = 8_000;
const CHANGED = 6_000;
const SETTLE_MILLIS = 90_000;
const admin = { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } };

export async function run(t) {
  const restore = `${t.object()}/restore`;
  await t.register('[hot]\nvortex_threshold = 0\n[collections.notes.cold]\nenabled = false\n[collections.notes.fields]\nid = { type = "string" }\nn = { type = "int" }\n');
  for (let from = 0; from < ROWS; from += TURN) await write(t, "insert", from, TURN);

  const taken = await t.post(`${t.object()}/snapshots`, { note: "large" }, { ...admin, expect: 202, shown: status });
  const id = taken.json().id;
  await t.evict();
  await settled(t, `${t.object()}/snapshots/${id}`);
  await t.get(`${t.object()}/snapshots/${id}`, { ...admin, expect: 200, own: ["bytes", "ownBytes"] });

  await write(t, "upsert", ROWS - 1_000, CHANGED);
  await t.post(restore, { snapshot: id }, { ...admin, expect: 202, shown: status });
  await t.evict();
  await settled(t, restore);
  const { undo } = (await t.get(restore, { ...admin, expect: 200 })).json();
  await total(t);
  await t.put(`${t.object()}/notes/new`, { n: 1 }, { expect: 201 });
  await t.get(`${t.object()}/state`, { expect: 200, shown: (answer) => [answer.json().head, answer.json().documents] });
  await givenUp(t, restore, undo);
}

/** One that is given up has changed nothing; it may have been quicker. */
async function givenUp(t, restore, undo) {
  const documents = async () => (await t.quietly("GET", `${t.object()}/state`)).json().documents.notes;
  const before = await documents();
  const asked = await t.quietly("POST", restore, { json: { snapshot: undo }, ...admin });
  t.check(`it is under way: ${asked.text}`, asked.status === 202);
  const cancelled = await t.quietly("DELETE", restore, admin);
  const ended = (await t.quietly("GET", restore, admin)).json().status;
  const wanted = cancelled.status === 200 ? ["cancelled", before] : ["complete", ROWS - 1_000 + CHANGED];
  t.check(`it ends as it should: ${ended}`, `${[ended, await documents()]}` === `${wanted}`);
}

async function write(t, mode, from, count) {
  const rows = Array.from({ length: count }, (_, at) => ({ id: String(from + at).padStart(6, "0"), n: mode === "insert" ? 1 : 2 }));
  await t.post(`${t.object()}/notes?mode=${mode}`, rows, { shown: (answer) => answer.json().written.length });
}

function total(t) {
  return t.post(`${t.object()}/notes/query`, { aggregate: { rows: { count: "*" }, n: { sum: "n" } } }, { expect: 200 });
}

/** Waits until it runs no more. Reading wakes nothing up: the alarm alone goes on. */
async function settled(t, path) {
  const deadline = Date.now() + SETTLE_MILLIS;
  for (let answer; answer?.json().status !== "complete"; ) {
    t.check(`${path} ends: ${answer?.text}`, Date.now() < deadline && (answer === undefined || answer.status === 200));
    if (answer) await new Promise((resolve) => setTimeout(resolve, 50));
    answer = await t.quietly("GET", path, admin);
  }
}

function status(answer) {
  const { status: found, dryRun } = answer.json();
  return { found, dryRun };
}
