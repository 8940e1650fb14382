// Snapshots and restores as an administrator asks for them: there, back and undone, by snapshot, sequence
// and time, whole or one collection; what is refused; who is let in. How many bytes a snapshot takes
// depends on the clock.

import { ADMIN_TOKEN } from "../hosts/pace.mjs";

export const name = "snapshots";
export const evicted = true;

const admin = (more = {}) => ({ headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...more } });
const own = ["bytes", "ownBytes"];

const TYPE = `
[collections.notes.fields]
id = { type = "string" }
n = { type = "int" }
[collections.tags.fields]
id = { type = "string" }
`;

export async function run(t) {
  t.collections = ["notes", "tags"];
  const [snapshots, restore] = [`${t.object()}/snapshots`, `${t.object()}/restore`];
  const ask = (path, json, expect, more) => t.post(path, json, { ...admin(more), expect, own });
  await t.register(TYPE);
  await ask(snapshots, {}, "404 unknown_object");
  await t.post(`${t.object()}/notes`, [{ id: "a", n: 1 }, { id: "b", n: 1 }, { id: "c", n: 1 }], { expect: 201 });
  await t.post(`${t.object()}/tags`, { id: "t" }, { expect: 201 });
  await t.get(restore, { ...admin(), expect: "404 no_restore" });
  await t.get(snapshots, { ...admin(), expect: 200 });
  await ask(snapshots, { kind: "incremental" }, "409 snapshot_parent_missing");

  const full = (await ask(snapshots, { note: "before" }, 201, { "tidelog-actor": "ada" })).json().id;
  await t.get(`${snapshots}/${full}`, { ...admin(), expect: 200, own });
  await change(t);
  await ask(restore, { snapshot: full, dryRun: true }, 200, { "x-source": "drill" });
  await t.get(`${t.object()}/notes/a`, { expect: 200 });
  const done = (await ask(restore, { snapshot: full }, 200, { "tidelog-reason": "a bad import", "x-source": "ops" })).json();
  await t.get(restore, { ...admin(), expect: 200 });
  await documents(t);
  await ask(restore, { snapshot: done.undo, collections: ["notes"] }, 200);
  await documents(t);
  await ask(restore, { sequence: 4 }, 200);
  await documents(t);
  await ask(restore, { sequence: 4 }, 200);
  await ask(restore, { time: "2020-01-01T00:00:00Z", dryRun: true }, "410 restore_beyond_horizon");

  const first = (await ask(snapshots, { kind: "incremental" }, 201)).json().id;
  await t.put(`${t.object()}/notes/d`, { n: 4 }, { expect: 201 });
  const second = (await ask(snapshots, { kind: "incremental", parent: first }, 201)).json().id;
  await refusals(t, { full, first });
  await pages(t, { full, second });
  for (const id of [first, second]) {
    await t.delete(`${snapshots}/${id}`, { ...admin(), expect: id === first ? "409 snapshot_has_children" : 200, own });
  }
  await t.delete(`${snapshots}/${first}`, { ...admin(), expect: 200, own });
  await ask(restore, { time: new Date(Date.now() + 60_000).toISOString() }, 200);

  await t.delete(t.object(), { expect: 200, shown: (answer) => [answer.json().status, answer.json().head] });
  await ask(restore, { snapshot: full }, 200);
  await documents(t);
  await t.changes("one", "&images=full");
  await t.post(`${t.object()}/sync`, { tier: "cold" }, { expect: 200 });
  await t.lakeIsLog("notes", "one");
  await t.get(`${snapshots}/audit`, { ...admin(), expect: 200 });
  await t.get(`${snapshots}/audit?limit=2&before=4`, { ...admin(), expect: 200 });
  await letIn(t, snapshots);
}

/** One changed, one gone, one new, and a tag gone. */
async function change(t) {
  await t.post(`${t.object()}/batch`, { mutations: [
    { op: "update", collection: "notes", key: "a", patch: { n: 2 } },
    { op: "delete", collection: "notes", key: "b" },
    { op: "insert", collection: "notes", document: { id: "x", n: 2 } },
    { op: "delete", collection: "tags", key: "t" },
  ] }, { expect: 200 });
}

async function documents(t) {
  for (const collection of ["notes", "tags"]) await t.post(`${t.object()}/${collection}/query`, { orderBy: ["id"] }, { expect: 200 });
}

async function refusals(t, { full, first }) {
  const [snapshots, restore] = [`${t.object()}/snapshots`, `${t.object()}/restore`];
  const unknown = "01939f5a-0000-7000-8000-000000000000";
  await t.refused([
    ["POST", restore, { json: {} }, "400 invalid_target"],
    ["POST", restore, { json: { sequence: 1, snapshot: full } }, "400 invalid_target"],
    ["POST", restore, { json: { sequence: -1 } }, "400 invalid_target"],
    ["POST", restore, { json: { time: "noon" } }, "400 invalid_target"],
    ["POST", restore, { json: { snapshot: unknown } }, "404 unknown_snapshot"],
    ["POST", restore, { json: { sequence: 1_000 } }, "400 restore_in_future"],
    ["POST", restore, { json: { sequence: 1, collections: ["boats"] } }, "404 unknown_collection"],
    ["POST", restore, { json: { sequence: 1, collections: [] } }, "400 invalid_body"],
    ["DELETE", restore, {}, "404 no_restore"],
    ["POST", snapshots, { json: { kind: "half" } }, "400 invalid_body"],
    ["POST", snapshots, { json: { parent: first } }, "400 conflicting_parameters"],
    ["POST", snapshots, { json: { kind: "incremental", parent: unknown } }, "404 unknown_snapshot"],
    ["POST", snapshots, { json: { note: "x".repeat(257) } }, "413 label_too_long"],
    ["GET", `${snapshots}/${unknown}`, {}, "404 unknown_snapshot"],
    ["DELETE", `${snapshots}/${unknown}`, {}, "404 unknown_snapshot"],
    ["GET", `${snapshots}?limit=0`, {}, "400 limit_out_of_range"],
    ["GET", `${snapshots}?kind=half`, {}, "400 invalid_body"],
    ["GET", `/v1/objects/${t.type}/other/snapshots`, {}, "404 unknown_object"],
    ["GET", "/v1/objects/nothing/one/snapshots", {}, "404 unknown_type"],
  ].map(([method, path, options, expect]) => {
    const { headers } = admin(options.json && { "content-type": "application/json" });
    const { json, ...rest } = options;
    return [method, path, { ...rest, ...(json && { body: JSON.stringify(json) }), headers }, expect];
  }));
}

async function pages(t, { full, second }) {
  const ids = (answer) => [answer.json().snapshots.map(({ kind, sequence, note }) => [kind, sequence, note]), "next" in answer.json()];
  const list = (query) => t.get(`${t.object()}/snapshots${query}`, { ...admin(), expect: 200, shown: ids });
  await list("");
  await list("?kind=incremental");
  await list(`?parent=${full}`);
  await list("?limit=2");
  await list(`?before=${second}&limit=1`);
}

async function letIn(t, snapshots) {
  const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });
  await t.get(snapshots, { expect: "401 unauthorized" });
  await t.get(snapshots, { ...bearer(`${ADMIN_TOKEN}x`), expect: "401 unauthorized" });
  const token = "0123456789abcdef-conformance";
  try {
    await t.restart({ token });
    const all = { ...bearer(ADMIN_TOKEN), shown: (answer) => answer.status };
    await t.get(snapshots, { expect: "401 unauthorized" });
    await t.get(snapshots, { ...bearer(token), expect: "403 admin_required" });
    await t.get(snapshots, { ...all, expect: 200 });
    await t.get(`${t.object()}/notes/a`, { ...all, expect: 200 });
    await t.restart({ token, admin: false });
    await t.get(snapshots, { ...bearer(token), expect: "403 admin_disabled" });
    await t.get(snapshots, { ...bearer(ADMIN_TOKEN), expect: "401 unauthorized" });
    await t.restart({ admin: false });
    await t.post(`${t.object()}/restore`, { sequence: 1 }, { expect: "403 admin_disabled" });
    await t.get(`${t.object()}/notes/a`, { expect: 200 });
  } finally {
    await t.restart();
  }
}
