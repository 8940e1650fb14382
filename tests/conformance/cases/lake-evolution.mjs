// A type's next version: fields added, renamed and with defaults, in objects, log and lake.

export const name = "lake-evolution";
export const evicted = true;

const type = (fields) => `[collections.items]\nkey = ["sku"]\n[collections.items.fields]\nsku = { type = "string", required = true }\n${fields}\n`;

export async function run(t) {
  t.collections = ["items"];
  const items = `${t.object()}/items`;
  await t.register(type('price = { type = "float" }'));
  await t.post(items, [{ sku: "a", price: 1, later: "was undeclared" }, { sku: "b" }], { expect: 201 });
  await t.post(`${t.object()}/sync`, { tier: "cold" }, { expect: 200, shown: documents });
  await t.register(type('cost = { type = "float", renamed_from = "price" }\nlater = { type = "string" }\nkind = { type = "string", required = true, default = "plain" }'));
  await t.get(`/v1/types/${t.type}`, { expect: 200 });
  await t.get(`${items}/a`, { expect: 200 });
  await t.patch(`${items}/a`, { cost: 2 }, { expect: 200 });
  await t.get(`${items}/a`, { expect: 200 });
  await t.get(`${items}/b`, { expect: 200 });
  await t.post(items, { sku: "c", cost: 3, later: "declared" }, { expect: 201 });
  await t.post(`${items}/query`, { where: { cost: { gte: 0 } } }, { expect: 200 });
  await t.post(`${items}/query`, { where: { price: 1 } }, { expect: "400 unknown_field" });
  await t.changes("one", "&images=full");
  await t.settle("one");
  await t.lake("items");
  await t.lakeIsLog("items", "one");
  const schemas = (answer) => answer.json().metadata.schemas;
  await t.get(`/iceberg/v1/default/namespaces/${t.type}/tables/items_changes`, { expect: 200, shown: schemas });
}

function documents(answer) {
  return answer.json().documents;
}
