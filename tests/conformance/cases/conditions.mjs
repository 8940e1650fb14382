// Writes bound to a version, and idempotency keys.

export const name = "conditions";
export const evicted = true;

export async function run(t) {
  await t.register('[collections.items]\nkey = ["sku"]\n[collections.items.fields]\nsku = { type = "string", required = true }\nprice = { type = "float" }\n');
  await versions(t);
  await idempotency(t);
  await t.changes();
}

async function versions(t) {
  const item = `${t.object()}/items/a`;
  const bound = (headers) => ({ headers });
  await t.put(item, { price: 1 }, { headers: { "if-none-match": "*" }, expect: 201 });
  await t.put(item, { price: 2 }, { headers: { "if-match": '"1"' }, expect: 200 });
  await t.patch(`${item}?ifVersion=2`, { price: 3 }, { expect: 200 });
  await t.refused([
    ["PUT", item, { json: {}, ...bound({ "if-none-match": "*" }) }, "412 version_mismatch"],
    ["PUT", `${item}?ifVersion=0`, { json: {} }, "412 version_mismatch"],
    ["PUT", item, { json: {}, ...bound({ "if-match": '"1"' }) }, "412 version_mismatch"],
    ["PATCH", `${item}?ifVersion=2`, { patch: { price: 4 } }, "412 version_mismatch"],
    ["DELETE", item, bound({ "if-match": '"2"' }), "412 version_mismatch"],
    ["PUT", `${t.object()}/items/b?ifVersion=3`, { json: {} }, "412 version_mismatch"],
    ["PATCH", `${t.object()}/items/b?ifVersion=3`, { patch: {} }, "404 unknown_document"],
    ["PUT", item, { json: {}, ...bound({ "if-match": "1" }) }, "400 invalid_header"],
    ["PUT", item, { json: {}, ...bound({ "if-match": 'W/"1"' }) }, "400 invalid_header"],
    ["PUT", item, { json: {}, ...bound({ "if-match": '"1", "2"' }) }, "400 invalid_header"],
    ["PUT", item, { json: {}, ...bound({ "if-none-match": '"1"' }) }, "400 invalid_header"],
    ["PUT", `${item}?ifVersion=x`, { json: {} }, "400 invalid_parameter"],
    ["PUT", `${item}?ifVersion=-1`, { json: {} }, "400 invalid_parameter"],
    ["PUT", `${item}?ifVersion=2`, { json: {}, ...bound({ "if-match": '"3"' }) }, "400 conflicting_parameters"],
  ]);
  await t.delete(`${item}?ifVersion=3`, { headers: { "if-match": '"3"' }, expect: 200 });
  await t.put(`${item}?ifVersion=0`, { price: 5 }, { expect: 201 });
}

async function idempotency(t) {
  const items = `${t.object()}/items`;
  const key = { "idempotency-key": "order 1" };
  await t.post(items, { sku: "k", price: 1 }, { headers: key, expect: 201 });
  await t.post(items, { sku: "k", price: 1 }, { headers: key, expect: 201 });
  await t.post(items, { price: 1, sku: "k" }, { headers: key, expect: 201 });
  await t.evict([t.objectActor()]);
  await t.post(items, { sku: "k", price: 1 }, { headers: key, expect: 201 });
  await t.post(items, { sku: "k", price: 2 }, { headers: key, expect: "409 idempotency_key_reused" });
  await t.delete(`${items}/k`, { headers: key, expect: "409 idempotency_key_reused" });
  await t.delete(`${items}/k`, { headers: { "idempotency-key": "order 2" }, expect: 200 });
  await t.delete(`${items}/k`, { headers: { "idempotency-key": "order 2" }, expect: 200 });
  t.note("a refused turn remembers nothing");
  const third = { "idempotency-key": "order 3" };
  await t.post(items, { sku: 1 }, { headers: third, expect: "400 wrong_type" });
  await t.post(items, { sku: "m" }, { headers: third, expect: 201 });
  t.note("keys are the object's own");
  await t.post(`${t.object("two")}/items`, { sku: "k", price: 3 }, { headers: key, expect: 201 });
}
