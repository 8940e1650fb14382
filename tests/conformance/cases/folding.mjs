// Documents past a small threshold fold into blobs: every verb over folded documents answers as it does
// over rows, whatever is folded when.

export const name = "folding";
export const evicted = true;

const TYPE = `
[collections.items]
key = ["sku"]
indexes = [{ fields = ["code"], unique = true }, { fields = ["place"], unique = true, where = { kind = "b" } }]
[collections.items.hot]
vortex_threshold = 10
[collections.items.fields]
sku = { type = "string", required = true }
code = { type = "int" }
price = { type = "float", min = 0 }
kind = { type = "string", enum = ["a", "b"] }
part = { type = "string", references = "parts" }
place = { type = "string" }
[collections.parts.hot]
vortex_threshold = 1
[collections.parts.fields]
text = { type = "string", default = "none" }
`;

const item = (at) => ({
  sku: `s${String((at * 37) % 101).padStart(3, "0")}`, code: at, price: at / 4, kind: at % 2 === 0 ? "a" : "b", place: `p${at}`,
  ...(at % 5 === 0 ? { part: "p1" } : {}), ...(at % 3 === 0 ? { free: { at, list: [at, null, "ü"] } } : {}),
});
const items = (from, to) => Array.from({ length: to - from }, (_, at) => item(from + at));
const sku = (at) => item(at).sku;

export async function run(t) {
  t.collections = ["items", "parts"];
  await t.register(TYPE);
  await rowsFold(t);
  await reads(t);
  await refusals(t);
  await changes(t);
  await bulk(t);
  await wornBlobs(t);
  await t.changes("one", "&images=full&limit=40");
  await t.post(`${t.object()}/sync`, { tier: "cold" }, { expect: 200, shown: (answer) => counts(answer.json()) });
  await t.lakeIsLog("items", "one");
  await secondLife(t);
}

/** So few at a time that they are rows at first. */
async function rowsFold(t) {
  await t.post(`${t.object()}/parts`, [{ id: "p1" }, { id: "p2", text: "two" }], { expect: 201 });
  for (let from = 0; from < 24; from += 6) await t.post(`${t.object()}/items`, items(from, from + 6), { expect: 201 });
  await t.folded("one");
  await state(t);
}

async function reads(t) {
  const path = `${t.object()}/items`;
  for (const at of [0, 9, 10, 23]) await t.get(`${path}/${sku(at)}`, { expect: 200 });
  await t.get(`${path}/${sku(0)}`, { headers: { "if-none-match": '"3"' }, expect: 304 });
  await t.request("HEAD", `${path}/${sku(5)}`, { expect: 200 });
  await t.get(`${path}/s999`, { expect: "404 unknown_document" });
  await t.get(`${t.object()}/parts/p2`, { expect: 200 });
  await pages(t);
}

/** All of it in pages, and what columns alone answer. */
async function pages(t) {
  const path = `${t.object()}/items/query`;
  for (const orderBy of [["_key"], ["-price", "_key"]]) {
    let after;
    do {
      after = (await t.post(path, { orderBy, limit: 9, after }, { expect: 200 })).json().next;
    } while (after);
  }
  await t.post(path, { where: { code: { between: [7, 9] } } }, { expect: 200 });
  await t.post(path, { where: { part: "p1" }, select: ["sku"] }, { expect: 200 });
  const aggregate = { rows: { count: "*" }, sum: { sum: "code" }, mean: { avg: "price" }, least: { min: "place" }, most: { max: "code" }, kinds: { countDistinct: "kind" } };
  await t.post(path, { aggregate }, { expect: 200 });
  await t.post(path, { groupBy: ["kind"], aggregate }, { expect: 200 });
}

/** What stands in a blob is in the way as much as what stands in a row. */
async function refusals(t) {
  const path = `${t.object()}/items`;
  const many = (document) => [...items(40, 51), document];
  await t.refused([
    ["POST", path, { json: item(3) }, "409 duplicate_key"],
    ["POST", path, { json: { sku: "new", code: 3 } }, "409 unique_violation"],
    ["POST", path, { json: { sku: "new", kind: "b", place: "p7" } }, "409 unique_violation"],
    ["POST", `${path}?mode=upsert`, { json: { sku: sku(4), code: 5 } }, "409 unique_violation"],
    ["PATCH", `${path}/${sku(4)}`, { patch: { code: 5 } }, "409 unique_violation"],
    ["PATCH", `${path}/${sku(4)}`, { patch: { price: 1 }, headers: { "if-match": '"1"' } }, "412 version_mismatch"],
    ["POST", path, { json: { sku: "new", part: "none" } }, "400 check_failed"],
    ["DELETE", `${t.object()}/parts/p1`, {}, "409 document_referenced"],
    ["POST", path, { json: many(item(3)) }, "409 duplicate_key"],
    ["POST", path, { json: many({ sku: "new", code: 3 }) }, "409 unique_violation"],
    ["POST", path, { json: many({ sku: "new", code: 40 }) }, "409 unique_violation"],
    ["POST", path, { json: many({ sku: "new", part: "none" }) }, "400 check_failed"],
    ["POST", path, { json: many({ sku: "new", price: -1 }) }, "400 check_failed"],
  ]);
  await state(t);
}

async function changes(t) {
  const path = `${t.object()}/items`;
  await t.patch(`${path}/${sku(4)}`, { price: null, free: { more: true } }, { expect: 200 });
  await t.patch(`${path}/${sku(6)}`, { price: 1.5 }, { expect: 200 });
  await t.put(`${path}/${sku(6)}`, item(6), { expect: 200 });
  await t.put(`${path}/${sku(8)}`, item(8), { expect: 200 });
  await t.delete(`${path}/${sku(1)}`, { expect: 200 });
  await t.get(`${path}/${sku(1)}`, { expect: "404 unknown_document" });
  await t.delete(`${path}/${sku(1)}`, { expect: "404 unknown_document" });
  await t.post(path, { sku: "again", code: 1, place: "p1", kind: "b" }, { expect: 201 });
  await t.post(path, item(1), { expect: "409 unique_violation" });
  await t.post(`${t.object()}/batch`, { mutations: [
    { op: "delete", collection: "items", key: "again" },
    { op: "insert", collection: "items", document: item(1) },
    { op: "update", collection: "items", key: sku(0), patch: { part: "p2" } },
    { op: "put", collection: "parts", key: "p2", document: { text: "new" }, ifVersion: 2 },
  ] }, { expect: 200 });
  for (const at of [0, 1, 4, 6]) await t.get(`${path}/${sku(at)}`, { expect: 200 });
  await t.delete(`${t.object()}/parts/p2`, { expect: "409 document_referenced" });
  await pages(t);
}

/** So many at once that they go straight into a blob. */
async function bulk(t) {
  const path = `${t.object()}/items`;
  const headers = { "idempotency-key": "bulk" };
  for (let again = 0; again < 2; again += 1) {
    await t.post(path, items(30, 60), { expect: 201, headers, shown: (answer) => [answer.json().written.length, answer.json().replayed] });
  }
  await t.get(`${path}/${sku(59)}`, { expect: 200 });
  await t.post(path, items(60, 70), { expect: 201 });
  await t.folded("one");
  await t.post(path, item(60), { expect: "409 duplicate_key" });
  await t.delete(`${path}/${sku(60)}`, { expect: 200 });
  await pages(t);
}

/** Most of what is folded is deleted: blobs are written anew, or go. */
async function wornBlobs(t) {
  const keys = Array.from({ length: 58 }, (_, at) => at).filter((at) => at < 20 || at >= 30).map(sku);
  const mutations = keys.map((key) => ({ op: "delete", collection: "items", key }));
  await t.post(`${t.object()}/batch`, { mutations }, { expect: 200, shown: (answer) => answer.json().written.length });
  await t.folded("one");
  await state(t);
  await pages(t);
  await t.post(`${t.object()}/items`, items(0, 5), { expect: 201 });
  await t.delete(`${t.object()}/parts/p2`, { expect: 200 });
}

async function secondLife(t) {
  await t.delete(t.object(), { expect: 200, shown: (answer) => counts(answer.json()) });
  await t.get(`${t.object()}/items/${sku(2)}`, { expect: "404 object_deleted" });
  await t.post(`${t.object()}/parts`, { id: "p1" }, { expect: 201 });
  await t.post(`${t.object()}/items`, items(0, 12), { expect: 201 });
  await t.folded("one");
  await pages(t);
  await state(t);
}

function state(t) {
  return t.get(`${t.object()}/state`, { expect: 200, shown: (answer) => counts(answer.json()) });
}

function counts({ status, head, headHash, documents, log }) {
  return { status, head, headHash, documents, records: log.records };
}
