// Declaring types: first, equal, next version, refused; objects follow a new version.

export const name = "types";
export const evicted = true;

const FIRST = `
[collections.items]
key = ["sku"]
[collections.items.fields]
sku = { type = "string", required = true }
price = { type = "float", min = 0 }
code = { type = "int" }
[collections.items.cold]
partition_by = [{ field = "sku", transform = "bucket[4]" }]
`;
const SECOND = FIRST.replace("[collections.items.cold]", `color = { type = "string", default = "red" }
[collections.notes.fields]
text = { type = "string" }
[collections.items.cold]`);

export async function run(t) {
  await lives(t);
  await versions(t);
  await wrong(t);
  await wouldLose(t);
}

async function lives(t) {
  const path = `/v1/types/${t.type}`;
  await t.get(path, { expect: "404 unknown_type" });
  await t.register(FIRST, { expect: 201 });
  await t.register(FIRST, { expect: 200 });
  await t.get(path, { expect: 200 });
  await t.get(path, { headers: { "if-none-match": '"1"' }, expect: 304 });
  await t.get(`${path}?version=2`, { expect: "404 unknown_type" });
  await t.get(`${path}?version=0`, { expect: "400 invalid_parameter" });
  await t.post(`${t.object()}/items`, { sku: "a", price: 1.5 }, { expect: 201 });
}

async function versions(t) {
  const path = `/v1/types/${t.type}`;
  await t.register(SECOND, { expect: 201 });
  await t.get(`${path}?version=1`, { expect: 200 });
  await t.get(path, { headers: { "if-none-match": '"1"' }, expect: 200 });
  await t.get(`${t.object()}/items/a`, { expect: 200 });
  t.note("an object has a new collection from its next turn on");
  await t.post(`${t.object()}/notes/query`, {}, { expect: "404 unknown_collection" });
  await t.post(`${t.object()}/items`, { sku: "b" }, { expect: 201 });
  await t.get(`${t.object()}/items/b`, { expect: 200 });
  await t.patch(`${t.object()}/items/a`, { color: "blue" }, { expect: 200 });
  await t.changes("one", "&images=full");
  const mine = (answer) => answer.json().types.filter((one) => one.type === t.type);
  await t.get("/v1/types", { shown: mine });
  const json = { collections: { things: { fields: { at: { type: "timestamp" } } } } };
  await t.put(`/v1/types/${t.type}_json`, json, { expect: 201 });
  await t.put(`/v1/types/${t.type}_json`, { type: `${t.type}_json`, ...json }, { expect: 200 });
}

async function wrong(t) {
  const path = `/v1/types/${t.type}_wrong`;
  const declared = (toml) => ({ toml: `type = "${t.type}_wrong"\n${toml}` });
  const field = (text) => declared(`[collections.items.fields]\nx = ${text}\n`);
  await t.refused([
    ["PUT", path, { toml: "type = " }, "400 invalid_schema"],
    ["PUT", path, { toml: "" }, "400 invalid_schema"],
    ["PUT", path, { json: "{" }, "400 invalid_json"],
    ["PUT", path, { json: '{"type":"x","type":"x"}' }, "400 invalid_json"],
    ["PUT", path, { json: {} }, "400 invalid_schema"],
    ["PUT", path, { json: [] }, "400 invalid_schema"],
    ["PUT", path, { json: { type: "other", collections: {} } }, "400 type_name_mismatch"],
    ["PUT", path, { body: "x", headers: { "content-type": "text/plain" } }, "415 unsupported_media_type"],
    ["PUT", "/v1/types/Upper", { json: { collections: {} } }, "400 invalid_name"],
    ["PUT", `/v1/types/${"x".repeat(65)}`, { json: { collections: {} } }, "400 invalid_name"],
    ["PUT", path, declared("[collections.changes.fields]\n"), "400 reserved_name"],
    ["PUT", path, declared("[collections.Bad.fields]\n"), "400 invalid_name"],
    ["PUT", path, declared("[collections.items]\nother = 1\n"), "400 invalid_schema"],
    ["PUT", path, field('{ type = "decimal" }'), "400 invalid_schema"],
    ["PUT", path, field('{ type = "vector" }'), "400 invalid_schema"],
    ["PUT", path, field('{ type = "vector", dimensions = 8193 }'), "400 invalid_schema"],
    ["PUT", path, field('{ type = "bool", min = 1 }'), "400 invalid_schema"],
    ["PUT", path, field('{ type = "string", pattern = "(" }'), "400 invalid_schema"],
    ["PUT", path, field('{ type = "int", default = "one" }'), "400 wrong_type"],
    ["PUT", path, field('{ type = "string", references = "nowhere" }'), "400 invalid_schema"],
    ["PUT", path, declared('[collections.items]\nkey = ["none"]\n'), "400 unknown_field"],
    ["PUT", path, declared('[[collections.items.indexes]]\nfields = ["none"]\n'), "400 unknown_field"],
    ["GET", `${path}?colour=red`, {}, "400 unknown_parameter"],
    ["GET", "/v1/types/UPPER", {}, "400 invalid_name"],
  ]);
  await t.get(path, { expect: "404 unknown_type" });
}

async function wouldLose(t) {
  const path = `/v1/types/${t.type}`;
  const changed = (from, to) => ({ toml: `type = "${t.type}"\n${SECOND.replace(from, to)}` });
  await t.refused([
    ["PUT", path, changed("code = { type = \"int\" }\n", ""), "409 schema_would_lose_data"],
    ["PUT", path, changed('code = { type = "int" }', 'code = { type = "string" }'), "409 schema_would_lose_data"],
    ["PUT", path, changed('code = { type = "int" }', 'code = { type = "int", required = true }'), "409 schema_would_lose_data"],
    ["PUT", path, changed('key = ["sku"]', ""), "409 schema_would_lose_data"],
    ["PUT", path, changed("[collections.notes.fields]\ntext = { type = \"string\" }\n", ""), "409 schema_would_lose_data"],
    ["PUT", path, changed("bucket[4]", "bucket[8]"), "409 partition_change_unsupported"],
  ]);
  await t.post(`${t.object()}/items`, [{ sku: "c", code: 7 }, { sku: "d", code: 7 }], { expect: 201 });
  const unique = SECOND.replace("[collections.items.fields]", 'indexes = [{ fields = ["code"], unique = true }]\n[collections.items.fields]');
  await t.register(unique, { expect: 201 });
  await t.post(`${t.object()}/items`, { sku: "e" }, { expect: "409 schema_upgrade_failed" });
  await t.get(`${t.object()}/items/c`, { expect: 200 });
}
