// A type's next version over folded documents: fields added and renamed, new unique indexes that they
// keep or break, another threshold.

export const name = "folding-upgrade";
export const evicted = true;

const type = (threshold, fields, indexes = "[]") =>
  `[collections.items]\nkey = ["sku"]\nindexes = ${indexes}\n[collections.items.hot]\nvortex_threshold = ${threshold}\n[collections.items.fields]\nsku = { type = "string", required = true }\n${fields}\n`;

const FIRST = 'price = { type = "float" }\ncode = { type = "int" }';
const SECOND = 'cost = { type = "float", renamed_from = "price" }\ncode = { type = "int" }\nlater = { type = "string" }\nkind = { type = "string", required = true, default = "plain" }';
const UNIQUE = '[{ fields = ["code"], unique = true }]';

const item = (at) => ({ sku: `s${at}`, price: at / 2, code: at, later: at % 2 === 0 ? "was undeclared" : undefined });
const items = (from, to) => Array.from({ length: to - from }, (_, at) => item(from + at));

export async function run(t) {
  t.collections = ["items"];
  await t.register(type(5, FIRST));
  for (const id of ["one", "two"]) {
    await t.post(`${t.object(id)}/items`, items(0, 8), { expect: 201 });
    await t.post(`${t.object(id)}/items`, items(8, 10), { expect: 201 });
  }
  await t.post(`${t.object("two")}/items`, { sku: "same code", code: 3 }, { expect: 201 });
  await t.folded("one", "two");
  await t.register(type(5, SECOND));
  await t.patch(`${t.object()}/items/s1`, { cost: 7 }, { expect: 200 });
  await reads(t, "cost");
  await t.register(type(3, SECOND, UNIQUE));
  await unique(t);
  await t.register(type(0, SECOND));
  await t.post(`${t.object("two")}/items`, items(30, 36).map(({ price, ...rest }) => ({ ...rest, code: 1, cost: price })), { expect: 201 });
  await t.post(`${t.object("two")}/items/query`, { where: { code: 1 } }, { expect: 200 });
  await t.changes("one", "&images=full");
  await t.settle("one", "two");
  await t.lake("items");
  await t.lakeIsLog("items", "one", "two");
}

async function reads(t, field) {
  const path = `${t.object()}/items`;
  for (const at of [0, 1, 9]) await t.get(`${path}/s${at}`, { expect: 200 });
  await t.post(`${path}/query`, { where: { [field]: { gte: 1 } }, orderBy: [`-${field}`] }, { expect: 200 });
  await t.post(`${path}/query`, { where: { none: 1 } }, { expect: "400 unknown_field" });
}

/** Folded documents keep the index, or break it: then nothing changes until a version mends it. */
async function unique(t) {
  const one = `${t.object()}/items`;
  await t.post(one, { sku: "x", code: 7 }, { expect: "409 unique_violation" });
  await t.post(one, { sku: "x", code: 70 }, { expect: 201 });
  await t.post(one, { sku: "y", code: 70 }, { expect: "409 unique_violation" });
  await t.patch(`${one}/s5`, { code: 6 }, { expect: "409 unique_violation" });
  await t.post(one, Array.from({ length: 4 }, (_, at) => ({ sku: `n${at}`, code: at === 3 ? 8 : 80 + at })), { expect: "409 unique_violation" });
  await t.post(one, Array.from({ length: 4 }, (_, at) => ({ sku: `n${at}`, code: 80 + at })), { expect: 201 });
  await t.folded("one");
  await t.post(`${one}/query`, { where: { code: { gte: 5 } } }, { expect: 200 });
  const two = `${t.object("two")}/items`;
  await t.post(two, { sku: "x", code: 70 }, { expect: "409 schema_upgrade_failed" });
  await t.get(`${two}/same%20code`, { expect: 200 });
  await t.get(`${two}/x`, { expect: "404 unknown_document" });
}
