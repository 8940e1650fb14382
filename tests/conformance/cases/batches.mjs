// Several mutations over collections are one turn, or nothing.

export const name = "batches";
export const evicted = true;

const TYPE = `
[collections.items]
key = ["sku"]
[collections.items.fields]
sku = { type = "string", required = true }
price = { type = "float" }
[collections.notes.fields]
text = { type = "string" }
`;

export async function run(t) {
  await t.register(TYPE);
  const batch = `${t.object()}/batch`;
  const does = (...mutations) => ({ mutations });
  await t.post(batch, does(
    { op: "insert", collection: "items", document: { sku: "a" } },
    { op: "insert", collection: "notes", document: { id: "n", text: "hi" } },
    { op: "update", collection: "items", key: "a", patch: { price: 3 } },
    { op: "upsert", collection: "items", document: { sku: "b", price: 1 } },
    { op: "put", collection: "notes", key: "m", document: { text: "new" }, ifVersion: 0 },
    { op: "delete", collection: "notes", key: "n", ifVersion: 2 },
  ), { expect: 200 });
  await atomic(t, batch, does);
  await wrong(t, batch, does);
  await t.changes("one", "&limit=4");
  await t.post(`${t.object()}/items/query`, {}, { expect: 200 });
  await t.post(`${t.object()}/notes/query`, {}, { expect: 200 });
}

async function atomic(t, batch, does) {
  const insert = { op: "insert", collection: "items", document: { sku: "x" } };
  await t.refused([
    ["POST", batch, { json: does(insert, { op: "delete", collection: "items", key: "none" }) }, "404 unknown_document"],
    ["POST", batch, { json: does(insert, insert) }, "409 duplicate_key"],
    ["POST", batch, { json: does(insert, { op: "update", collection: "items", key: "a", patch: {}, ifVersion: 1 }) }, "412 version_mismatch"],
    ["POST", batch, { json: does(insert, { op: "insert", collection: "none", document: {} }) }, "404 unknown_collection"],
    ["POST", batch, { json: does(insert, { op: "put", collection: "items", key: "y", document: { sku: "z" } }) }, "400 key_mismatch"],
  ]);
  await t.get(`${t.object()}/items/x`, { expect: "404 unknown_document" });
}

async function wrong(t, batch, does) {
  const refusal = (json, expect) => ["POST", batch, { json }, expect];
  await t.refused([
    refusal({}, "400 invalid_body"),
    refusal([], "400 invalid_body"),
    refusal(does(), "400 empty_turn"),
    refusal({ mutations: {} }, "400 invalid_body"),
    refusal({ mutations: [], more: 1 }, "400 invalid_body"),
    refusal(does(7), "400 invalid_body"),
    refusal(does({ op: "replace", collection: "items" }), "400 unknown_operation"),
    refusal(does({ op: "insert", document: {} }), "400 invalid_body"),
    refusal(does({ op: "insert", collection: "items" }), "400 invalid_body"),
    refusal(does({ op: "update", collection: "items", key: "a", document: {} }), "400 invalid_body"),
    refusal(does({ op: "insert", collection: "items", document: { sku: "q" }, ifVersion: 1 }), "400 invalid_body"),
    refusal(does({ op: "delete", collection: "items", key: "a", ifVersion: -1 }), "400 invalid_body"),
    ["POST", batch, { ndjson: "{}\n" }, "415 unsupported_media_type"],
    ["GET", batch, {}, "405 method_not_allowed"],
  ]);
}
