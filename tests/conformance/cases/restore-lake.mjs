// States that neither snapshots nor the log have any more, brought back from the changes tables: by sequence,
// by time, one collection; every type of field, a renamed one and undeclared ones; what no table has is refused.

import { ADMIN_TOKEN } from "../hosts/pace.mjs";

export const name = "restore-lake";

const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };

const TYPE = `
[collections.items]
key = ["sku"]
[collections.items.fields]
sku = { type = "string", required = true }
price = { type = "float" }
count = { type = "int" }
big = { type = "bigint" }
on = { type = "bool" }
day = { type = "date" }
at = { type = "timestamp" }
more = { type = "json" }
bytes = { type = "binary" }
key = { type = "uuid" }
place = { type = "vector", dimensions = 2 }
[collections.items.cold]
partition_by = [{ field = "at", transform = "month" }]
[collections.notes.fields]
text = { type = "string" }
`;
const HOT = `[collections.local.fields]
text = { type = "string" }
[collections.local.cold]
enabled = false
`;
const FULL = {
  price: 0.1, count: -9007199254740991, big: "-9223372036854775808", on: true, day: "1969-02-03", at: "2013-02-03T04:05:06.789012Z",
  more: { b: [1, null], a: "ü" }, bytes: "AP8=", key: "01890a5d-ac96-774b-bcce-b302099a8057", place: [0.5, -1], undeclared: { x: [1.0, null] },
};

export async function run(t) {
  t.collections = ["items", "notes"];
  await t.restart({ forgets: true });
  try {
    await t.register(TYPE);
    await history(t);
    await t.trimmed(10);
    await states(t);
    await refused(t);
  } finally {
    await t.restart();
  }
}

const sync = (t) => t.post(`${t.object()}/sync`, { tier: "cold" }, { expect: 200, shown: () => "synced" });
const restore = (t, json, expect = 200) => t.post(`${t.object()}/restore`, json, { headers, expect, own: ["offset"] });

/** Eleven events and more in two collections and three commits, the schema changed between. */
async function history(t) {
  const [items, notes] = [`${t.object()}/items`, `${t.object()}/notes`];
  await t.post(items, [{ sku: "full", ...FULL }, { sku: "bare" }], { expect: 201 });
  await t.post(notes, { id: "n", text: "one" }, { expect: 201 });
  await sync(t);
  await t.patch(`${items}/bare`, { count: 5, more: null, at: "2020-01-01T00:00:00Z" }, { expect: 200 });
  await t.post(`${t.object()}/batch`, { mutations: [
    { op: "update", collection: "items", key: "full", patch: { price: null, undeclared: null } },
    { op: "delete", collection: "notes", key: "n" },
    { op: "insert", collection: "items", document: { sku: "third", count: 3 } },
  ] }, { expect: 200 });
  await t.register(`${TYPE.replace("count = { type", 'number = { renamed_from = "count", type')}${HOT}`);
  await sync(t);
  await t.delete(`${items}/full`, { expect: 200 });
  await t.put(`${items}/third`, { number: 4, undeclared: [1] }, { expect: 200 });
  await t.post(notes, [{ id: "o", text: "two" }, { id: "p" }], { expect: 201 });
  await t.put(`${items}/last`, {}, { expect: 201 });
  await sync(t);
}

async function documents(t) {
  for (const collection of ["items", "notes"]) {
    await t.post(`${t.object()}/${collection}/query`, { orderBy: ["_key"] }, { expect: 200 });
  }
}

async function states(t) {
  const collections = ["items", "notes"];
  await restore(t, { sequence: 3, dryRun: true, collections });
  for (const sequence of [3, 7, 1, 9, 6]) {
    await restore(t, { sequence, collections });
    await documents(t);
  }
  await restore(t, { sequence: 5, collections: ["items"] });
  await documents(t);
  await restore(t, { time: "2020-01-01T00:00:00Z", collections }, "410 restore_beyond_horizon");
}

async function refused(t) {
  await restore(t, { sequence: 3 }, "410 restore_beyond_horizon");
  await restore(t, { sequence: 3, collections: ["local"] }, "410 restore_beyond_horizon");
  await documents(t);
}
