// Every limit of the contract that a client meets: at it, and one past it.

export const name = "limits";

const TYPE = `
[collections.items]
key = ["sku"]
[collections.items.fields]
sku = { type = "string", required = true }
text = { type = "string" }
[collections.notes.fields]
text = { type = "string" }
vector = { type = "vector", dimensions = 8192 }
`;
const ROWS_MAX = 10_000;
const BODY_BYTES_MAX = 16_000_000;
const DOCUMENT_BYTES_MAX = 1_500_000;
const SMALL_BYTES_MAX = 2_000_000;

/** Of large answers the shape is enough. */
const shape = (answer) => {
  if (answer.status >= 400) return answer.json();
  const { written, ...rest } = answer.json();
  return { ...rest, written: written.length, last: written.at(-1) };
};

export async function run(t) {
  await t.register(TYPE);
  await names(t);
  await labels(t);
  await documents(t);
  await turns(t);
  await bodies(t);
  await parameters(t);
  await schemas(t);
}

async function names(t) {
  const item = (id) => `${t.object(id)}/items`;
  const insert = { json: { sku: "a" } };
  await t.refused([
    ["POST", item("i".repeat(256)), insert, 201],
    ["POST", item("i".repeat(257)), insert, "400 invalid_object_id"],
    ["POST", item("ü".repeat(128)), insert, 201],
    ["POST", item("ü".repeat(128) + "x"), insert, "400 invalid_object_id"],
    ["POST", item("a b~%'"), insert, 201],
    ["POST", item("a\u0001b"), insert, "400 invalid_object_id"],
    ["POST", item("a/b"), insert, "400 invalid_object_id"],
    ["POST", item(), { json: { sku: "k".repeat(1_024) } }, 201],
    ["POST", item(), { json: { sku: "k".repeat(1_025) } }, "400 invalid_key"],
    ["GET", `${item()}/${"k".repeat(1_024)}`, {}, 200],
    ["POST", item(), { json: { sku: "m", ["n".repeat(64)]: 1 } }, 201],
    ["POST", item(), { json: { sku: "n", ["n".repeat(65)]: 1 } }, "400 reserved_member"],
  ]);
}

async function labels(t) {
  const items = `${t.object("labels")}/items`;
  for (const header of ["x-source", "x-correlation-id", "traceparent", "idempotency-key"]) {
    await t.post(items, { sku: header }, { headers: { [header]: "l".repeat(256) }, expect: 201 });
    await t.post(items, { sku: "x" }, { headers: { [header]: "l".repeat(257) }, expect: "413 label_too_long" });
  }
  await t.post(`${items}?source=${"l".repeat(256)}`, { sku: "s" }, { expect: 201 });
  await t.post(`${items}?source=${"l".repeat(257)}`, { sku: "x" }, { expect: "413 label_too_long" });
  const ndjson = '{"sku":"nd"}\n';
  await t.request("POST", items, { ndjson, headers: { "idempotency-key": "l".repeat(235) }, expect: 200 });
  await t.request("POST", items, { ndjson, headers: { "idempotency-key": "l".repeat(236) }, expect: "413 label_too_long" });
  await t.changes("labels");
}

async function documents(t) {
  const notes = `${t.object("documents")}/notes`;
  const sized = (id, bytes) => {
    const text = bytes - JSON.stringify({ id, text: "" }).length;
    return { id, text: "x".repeat(text) };
  };
  await t.post(notes, sized("full", DOCUMENT_BYTES_MAX), { expect: 201 });
  await t.post(notes, sized("over", DOCUMENT_BYTES_MAX + 1), { expect: "413 document_too_large" });
  const read = await t.get(`${notes}/full`, { shown: (answer) => answer.text.length, expect: 200 });
  t.check("the largest document comes back whole", read.json().text.length > DOCUMENT_BYTES_MAX - 100);
  const many = (count) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${at}`, at]));
  await t.post(notes, { id: "many", ...many(999) }, { expect: 201 });
  await t.post(notes, { id: "more", ...many(1_001) }, { expect: "413 too_many_fields" });
  const nested = (levels) => `{"id":"deep${levels}","x":${"[".repeat(levels)}1${"]".repeat(levels)}}`;
  await t.post(notes, nested(32), { expect: 201 });
  await t.post(notes, nested(33), { expect: "400 json_too_deep" });
  await t.post(notes, nested(200), { expect: "400 json_too_deep" });
  await t.get(`${notes}/deep32`, { expect: 200 });
  const vector = (length) => ({ id: `v${length}`, vector: Array.from({ length }, (_, at) => at) });
  await t.post(notes, vector(8_192), { expect: 201 });
  await t.post(notes, vector(8_191), { expect: "400 check_failed" });
  await t.post(notes, vector(8_193), { expect: "413 vector_too_long" });
}

async function turns(t) {
  const items = `${t.object("turns")}/items`;
  const rows = (count, prefix) => Array.from({ length: count }, (_, at) => ({ sku: `${prefix}${at}` }));
  await t.post(items, rows(ROWS_MAX, "a"), { shown: shape, expect: 201 });
  await t.post(items, rows(ROWS_MAX + 1, "b"), { expect: "413 too_many_rows" });
  const deletes = rows(ROWS_MAX + 1, "a").map(({ sku }) => ({ op: "delete", collection: "items", key: sku }));
  await t.post(`${t.object("turns")}/batch`, { mutations: deletes }, { expect: "413 too_many_rows" });
  await t.post(`${t.object("turns")}/batch`, { mutations: deletes.slice(0, ROWS_MAX) }, { shown: shape, expect: 200 });
  const long = rows(2_000, "k").map(({ sku }) => ({ sku: sku.padEnd(1_000, "_") }));
  await t.post(items, long, { headers: { "idempotency-key": "long" }, expect: "413 idempotent_reply_too_large" });
  await t.post(items, long, { shown: shape, expect: 201 });
}

async function bodies(t) {
  const items = `${t.object("bodies")}/items`;
  const padded = (json, bytes) => Buffer.from(json.padEnd(bytes, " "));
  const headers = { "content-type": "application/json" };
  await t.request("POST", items, { body: padded('{"sku":"full"}', BODY_BYTES_MAX), headers, expect: 201 });
  await t.request("POST", items, { body: padded('{"sku":"over"}', BODY_BYTES_MAX + 1), headers, expect: "413 body_too_large" });
  const query = `${items}/query`;
  await t.request("POST", query, { body: padded("{}", SMALL_BYTES_MAX), headers, expect: 200 });
  await t.request("POST", query, { body: padded("{}", SMALL_BYTES_MAX + 1), headers, expect: "413 body_too_large" });
  const sync = `${t.object("bodies")}/sync`;
  await t.request("POST", sync, { body: padded('{"tier":"cold"}', SMALL_BYTES_MAX + 1), headers, expect: "413 body_too_large" });
}

async function parameters(t) {
  const changes = `${t.object("labels")}/changes`;
  const numbered = (count) => Array.from({ length: count }, (_, at) => `p${at}=${at}`).join("&");
  await t.refused([
    ["GET", `${changes}?limit=10000`, {}, 200],
    ["GET", `${changes}?limit=10001`, {}, "400 limit_out_of_range"],
    ["GET", `${changes}?limit=1`, {}, 200],
    ["GET", `${changes}?limit=0`, {}, "400 limit_out_of_range"],
    ["GET", `${changes}?${numbered(32)}`, {}, 200],
    ["GET", `${changes}?${numbered(33)}`, {}, "400 invalid_parameter"],
    ["GET", `/v1/objects?type=${t.type}&limit=1000`, {}, 200],
    ["GET", `/v1/objects?type=${t.type}&limit=1001`, {}, "400 limit_out_of_range"],
    ["GET", `/v1/objects?type=${t.type}&prefix=${"p".repeat(256)}`, {}, 200],
    ["GET", `/v1/objects?type=${t.type}&prefix=${"p".repeat(257)}`, {}, "400 invalid_parameter"],
  ]);
}

async function schemas(t) {
  const path = (suffix) => `/v1/types/${t.type}_${suffix}`;
  const fields = (count) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${at}`, { type: "int" }]));
  const collections = (count) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`c${at}`, {}]));
  const counted = (answer) => (answer.status < 400 ? answer.json().collections.map((one) => one.fields.length) : answer.json());
  const registers = (suffix, json, expect) => t.put(path(suffix), json, { shown: counted, expect });
  await registers("fields", { collections: { wide: { fields: fields(1_000) } } }, 201);
  await registers("more", { collections: { wide: { fields: fields(1_001) } } }, "413 schema_too_large");
  await registers("collections", { collections: collections(64) }, 201);
  await registers("more", { collections: collections(65) }, "413 schema_too_large");
  await registers("vector", { collections: { v: { fields: { v: { type: "vector", dimensions: 8_192 } } } } }, 201);
  const longest = "n".repeat(64);
  await registers("names", { collections: { [longest]: { fields: { [longest]: { type: "int" } } } } }, 201);
  await registers("more", { collections: { [`${longest}n`]: {} } }, "400 invalid_name");
  const wide = `/v1/objects/${t.type}_fields/one/wide`;
  const document = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`f${at}`, at]));
  await t.post(wide, { id: "all", ...document }, { expect: 201 });
  await t.get(`${wide}/all`, { expect: 200 });
  await t.post(`${wide}/query`, { where: { f79: 79, f80: 80, f999: { gt: 998 } }, select: ["f0", "f999"] }, { expect: 200 });
}
