// Snapshots that an object takes of itself: every so many changes, every so manieth full, the log kept for
// the next one; what the audit log says of them; declarations that are refused.

import { ADMIN_TOKEN } from "../hosts/pace.mjs";

export const name = "snapshots-schedule";
export const evicted = true;

const admin = { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } };
const SETTLE_MILLIS = 30_000;
const collections = '[collections.notes.cold]\nenabled = false\n[collections.notes.fields]\nid = { type = "string" }\nn = { type = "int" }\n';

export async function run(t) {
  const snapshots = `${t.object()}/snapshots`;
  for (const wrong of ['every = "1s"', "changes = 0", 'full_every = "3"', "retention.hot_count = 5000", "evrey = 1"]) {
    await t.register(`[snapshots]\n${wrong}\n${collections}`, { expect: "400 invalid_schema" });
  }
  await t.register(`[snapshots]\nchanges = 3\nfull_every = 3\n${collections}`);
  const wanted = [["full", 3], ["incremental", 6], ["incremental", 9], ["full", 12]];
  for (let at = 0; at < wanted.length; at += 1) {
    const rows = Array.from({ length: 3 }, (_, n) => ({ id: `k${3 * at + n}`, n: at }));
    await t.post(`${t.object()}/notes`, rows, { expect: 201 });
    await until(t, snapshots, wanted.slice(0, at + 1));
  }
  const shown = (answer) => answer.json().snapshots.map(({ kind, sequence, note, documents }) => [kind, sequence, note, documents]);
  const page = (await t.get(snapshots, { ...admin, expect: 200, shown })).json();
  await t.get(`${snapshots}/retention`, { ...admin, expect: 200 });
  await t.get(`${snapshots}/audit`, { ...admin, expect: 200 });
  const second = page.snapshots.find(({ sequence }) => sequence === 6).id;
  await t.post(`${t.object()}/restore`, { snapshot: second }, { ...admin, expect: 200 });
  await t.post(`${t.object()}/notes/query`, { orderBy: ["id"] }, { expect: 200 });
}

/** Waits until there are such snapshots. Reading wakes nothing up: the alarm alone goes on. */
async function until(t, path, wanted) {
  const deadline = Date.now() + SETTLE_MILLIS;
  for (let now; now !== JSON.stringify(wanted); ) {
    if (Date.now() > deadline) throw new Error(`${now} is not ${JSON.stringify(wanted)}`);
    const { snapshots } = (await t.quietly("GET", path, admin)).json();
    const complete = snapshots.filter(({ status }) => status === "complete").reverse();
    now = JSON.stringify(complete.map(({ kind, sequence }) => [kind, sequence]));
  }
}
