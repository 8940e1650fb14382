// An object becomes another one: as it is, as it was at a snapshot, a sequence and a time; the fork has a log
// and a lake of its own; what is refused.

import { ADMIN_TOKEN } from "../hosts/pace.mjs";

export const name = "fork";
export const evicted = true;

const admin = { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } };
const SETTLE_MILLIS = 60_000;
// How many bytes a snapshot takes depends on the clock.
const own = ["bytes", "ownBytes"];

export async function run(t) {
  t.collections = ["notes"];
  const [object, fork] = [t.object(), `${t.object()}/fork`];
  const ask = (json, expect) => t.post(fork, json, { ...admin, expect, own });
  await t.register('[collections.notes.fields]\nid = { type = "string" }\nn = { type = "int" }\n');
  await ask({ to: "now" }, "404 unknown_object");
  await t.post(`${object}/notes`, [{ id: "a", n: 1 }, { id: "b", n: 1 }, { id: "c", n: 1 }], { expect: 201 });
  await t.get(fork, { ...admin, expect: "404 no_fork" });
  await t.delete(fork, { ...admin, expect: "404 no_fork" });
  const { id } = (await t.post(`${object}/snapshots`, {}, { ...admin, expect: 201, own })).json();
  await t.patch(`${object}/notes/a`, { n: 2 }, { expect: 200 });
  await t.delete(`${object}/notes/b`, { expect: 200 });

  const wanted = { now: {}, snapshot: { snapshot: id }, sequence: { sequence: 4 }, before: { sequence: 2 }, nothing: { sequence: 0 }, late: { time: new Date(Date.now() + 60_000).toISOString() } };
  for (const [to, state] of Object.entries(wanted)) {
    await t.post(fork, { to, ...state }, { ...admin, expect: 202, shown: (answer) => [answer.json().to, answer.json().sequence] });
    await settled(t, fork);
    await t.get(fork, { ...admin, expect: 200, own });
    await t.post(`${t.object(to)}/notes/query`, { orderBy: ["id"] }, { expect: 200 });
    await t.get(`${t.object(to)}/snapshots`, { ...admin, expect: 200 });
  }
  await t.get(`${object}/snapshots`, { ...admin, expect: 200, own });
  await t.changes("now", "&images=full");
  await t.post(`${t.object("now")}/notes`, { id: "new", n: 9 }, { expect: 201 });
  await t.get(`${object}/notes/new`, { expect: "404 unknown_document" });
  await t.post(`${t.object("now")}/sync`, { tier: "cold" }, { expect: 200 });
  await t.lakeIsLog("notes", "now");

  await t.post(fork, { to: "drill", expires: "2h" }, { ...admin, expect: 202, shown: (answer) => answer.json().to });
  await settled(t, fork);
  await t.get(`${t.object("drill")}/state`, { expect: 200, shown: (answer) => [answer.json().scratch, typeof answer.json().expires, answer.json().documents] });
  await ask({ to: "x", expires: "31d" }, "400 invalid_body");
  await ask({ to: "x", expires: true }, "400 invalid_body");
  await t.post(fork, { to: "now" }, { ...admin, expect: 202, shown: (answer) => answer.json().to });
  await settled(t, fork);
  await t.get(fork, { ...admin, expect: 200, own });
  await ask({ to: "one" }, "409 object_exists");
  await ask({}, "400 invalid_body");
  await ask({ to: "a/b" }, "400 invalid_object_id");
  await ask({ to: "x", sequence: 99 }, "400 restore_in_future");
  await ask({ to: "x", sequence: 1, snapshot: id }, "400 invalid_target");
  await ask({ to: "x", from: 1 }, "400 invalid_body");
  await t.get(`${object}/snapshots/audit`, { ...admin, expect: 200 });
  await t.get(`${t.object("now")}/snapshots/audit`, { ...admin, expect: 200 });
}

/** Waits until it runs no more. Reading wakes nothing up: the alarms alone go on. */
async function settled(t, path) {
  const deadline = Date.now() + SETTLE_MILLIS;
  for (let status = "running"; status === "running"; ) {
    if (Date.now() > deadline) throw new Error(`${path} does not end`);
    status = (await t.quietly("GET", path, admin)).json().status;
  }
}
