// Snapshots in object storage: there and back, a chain partly there, restored from there by itself, listed by
// tier and size, deleted there; and an object whose database is lost comes back from there.

import { ADMIN_TOKEN } from "../hosts/pace.mjs";

export const name = "snapshots-cold";

const admin = { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } };
const own = ["bytes", "ownBytes"];
const SETTLE_MILLIS = 90_000;
const TYPE = `
[collections.notes.fields]
id = { type = "string" }
n = { type = "int" }
[collections.notes.cold]
enabled = false
`;

export async function run(t) {
  const [snapshots, restore] = [`${t.object()}/snapshots`, `${t.object()}/restore`];
  const ask = (path, json, expect) => t.post(path, json, { ...admin, expect, shown: said });
  await t.register(TYPE);
  const notes = Array.from({ length: 2_000 }, (_, n) => ({ id: `n${n}`, n, more: String(Math.imul(n, 2654435761)) }));
  await t.post(`${t.object()}/notes`, notes, { expect: 201, shown: (answer) => answer.json().written.length });
  const full = (await ask(snapshots, {}, 201)).json().id;
  await t.delete(`${t.object()}/notes/n7`, { expect: 200 });
  await t.put(`${t.object()}/notes/big`, { big: "x".repeat(1_000_000) }, { expect: 201, shown: () => "put" });
  const middle = (await ask(snapshots, { kind: "incremental" }, 201)).json().id;
  await t.put(`${t.object()}/notes/n9`, { n: -1 }, { expect: 200 });
  const last = (await ask(snapshots, { kind: "incremental" }, 201)).json().id;
  const wanted = await rows(t);
  const file = await t.quietly("GET", `${snapshots}/${last}/file`, admin);

  await ask(`${snapshots}/nothing/promote`, {}, "404 unknown_snapshot");
  await ask(`${snapshots}/nothing/recall`, {}, "404 unknown_snapshot");
  await t.get(`${snapshots}/discover`, { ...admin, expect: "404 no_discovery" });
  for (const id of [full, middle]) {
    const asked = await t.quietly("POST", `${snapshots}/${id}/promote`, admin);
    t.check(`it is under way: ${asked.status} ${asked.text}`, [200, 202].includes(asked.status));
    await t.evict();
    await moved(t, `${snapshots}/${id}`, "cold");
  }
  await ask(`${snapshots}/${full}/promote`, {}, 200);
  await lists(t, { full, middle, last });
  await t.get(`${snapshots}/${last}/file`, { ...admin, expect: "409 snapshot_cold" });

  // A restore recalls what it needs, and so does a dry run; the object can be evicted meanwhile.
  await t.delete(`${t.object()}/notes/n1`, { expect: 200 });
  const asked = await t.quietly("POST", restore, { json: { snapshot: last, dryRun: true }, ...admin });
  t.check(`it is under way: ${asked.status} ${asked.text}`, [200, 202].includes(asked.status));
  await t.evict();
  await settled(t, restore);
  await t.get(restore, { ...admin, expect: 200 });
  await t.quietly("POST", restore, { json: { snapshot: last }, ...admin });
  await settled(t, restore);
  t.check("all is as it was", (await rows(t)) === wanted);
  const again = await t.quietly("GET", `${snapshots}/${last}/file`, admin);
  t.check("and so is the file", again.status === 200 && again.bytes.equals(file.bytes));

  // Dropped again, and the last one too; then the database is lost.
  for (const id of [full, middle, last]) {
    await t.quietly("POST", `${snapshots}/${id}/promote`, admin);
    await moved(t, `${snapshots}/${id}`, "cold");
  }
  await t.host.lose(t.type, [t.objectActor()]);
  await t.get(snapshots, { ...admin, expect: "404 unknown_object" });
  await t.quietly("POST", `${snapshots}/discover`, admin);
  await settled(t, `${snapshots}/discover`);
  await t.get(`${snapshots}/discover`, { ...admin, expect: 200 });
  await t.get(snapshots, { ...admin, expect: 200, own });
  await t.quietly("POST", restore, { json: { snapshot: last }, ...admin });
  await settled(t, restore);
  t.check("it is back", (await rows(t)) === wanted);

  await t.delete(`${snapshots}/${middle}`, { ...admin, expect: "409 snapshot_has_children" });
  for (const id of [last, middle, full]) {
    await t.delete(`${snapshots}/${id}`, { ...admin, expect: 202, shown: said });
    await gone(t, `${snapshots}/${id}`);
  }
  await t.quietly("POST", `${snapshots}/discover`, admin);
  await settled(t, `${snapshots}/discover`);
  await t.get(`${snapshots}/discover`, { ...admin, expect: 200 });
}

async function lists(t, { full, middle, last }) {
  const snapshots = `${t.object()}/snapshots`;
  const ids = async (query) => {
    const page = await t.quietly("GET", `${snapshots}?${query}`, admin);
    return page.json().snapshots?.map((one) => one.id).join();
  };
  t.check("by tier", (await ids("tier=cold")) === `${middle},${full}` && (await ids("tier=hot")) === last);
  t.check("by sequence", (await ids("fromSequence=2001&toSequence=2002")) === middle);
  const { bytes } = (await t.quietly("GET", `${snapshots}/${last}`, admin)).json();
  t.check("by bytes", (await ids(`minBytes=${bytes}&maxBytes=${bytes}`)) === last);
  await t.get(`${snapshots}?tier=warm`, { ...admin, expect: "400 invalid_body" });
  await t.get(`${snapshots}?minBytes=x`, { ...admin, expect: "400 invalid_parameter" });
}

async function rows(t) {
  const answer = await t.quietly("POST", `${t.object()}/notes/query`, { json: { orderBy: ["id"], limit: 10_000 } });
  t.check(`documents can be read: ${answer.text.slice(0, 200)}`, answer.status === 200);
  return JSON.stringify(answer.json().rows.map(({ _version, ...row }) => row));
}

/** What of a snapshot is the same whenever it is asked. */
function said(answer) {
  const { kind, sequence, status } = answer.json();
  return { kind, sequence, status };
}

/** Asks until it holds; reading moves nothing on. */
async function until(t, path, holds) {
  const deadline = Date.now() + SETTLE_MILLIS;
  for (let answer; answer === undefined || !holds(answer); ) {
    t.check(`${path} ends: ${answer?.text}`, Date.now() < deadline);
    if (answer) await new Promise((resolve) => setTimeout(resolve, 50));
    answer = await t.quietly("GET", path, admin);
  }
}

const settled = (t, path) => until(t, path, (answer) => answer.status === 200 && answer.json().status === "complete");
const moved = (t, path, tier) => until(t, path, (answer) => answer.json().tier === tier && !answer.json().moving);
const gone = (t, path) => until(t, path, (answer) => answer.status === 404);
