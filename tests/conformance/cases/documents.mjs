// Every verb of documents: what it answers and what it refuses. A refusal changes nothing.

export const name = "documents";
export const evicted = true;

const TYPE = `
[collections.items]
key = ["sku"]
indexes = [{ fields = ["code"], unique = true }]
[collections.items.fields]
sku = { type = "string", required = true }
code = { type = "int" }
price = { type = "float", min = 0, max = 1000 }
kind = { type = "string", enum = ["a", "b"] }
part = { type = "string", references = "parts" }
place = { type = "string", pattern = "[A-Z]{3}" }
[collections.parts.fields]
text = { type = "string", default = "none" }
[collections.stays]
key = ["day", "number"]
[collections.stays.fields]
day = { type = "date", required = true }
number = { type = "int", required = true }
`;

export async function run(t) {
  await t.register(TYPE);
  await writes(t);
  await reads(t);
  await keys(t);
  await references(t);
  await wrongDocuments(t);
  await wrongRequests(t);
  await deletes(t);
  await t.changes();
  await t.changes("one", "&images=full&limit=3");
}

async function writes(t) {
  const items = `${t.object()}/items`;
  await t.post(items, { sku: "a", price: 1, color: "red", tags: [1, "2", null, { b: 1, a: 2 }] }, { expect: 201 });
  await t.post(items, [{ sku: "b", code: 1 }, { sku: "c", code: 2 }], { expect: 201 });
  await t.post(`${items}?mode=upsert`, [{ sku: "c", price: 3 }, { sku: "d" }], { expect: 200 });
  await t.post(`${items}?mode=upsert`, { sku: "e", price: 0.1 }, { expect: 201 });
  await t.put(`${items}/f`, { price: 2 }, { expect: 201 });
  await t.put(`${items}/f`, { price: 2 }, { expect: 200 });
  await t.put(`${items}/f`, { sku: "f", kind: "b" }, { expect: 200 });
  await t.patch(`${items}/a`, { price: 2.5, color: null, tags: { deep: { x: null, y: 1 } } }, { expect: 200 });
  await t.patch(`${items}/a`, { price: 2.5 }, { expect: 200 });
  await t.request("PATCH", `${items}/a`, { json: { kind: "a" }, expect: 200 });
  const labels = { "x-source": "till 7", "x-correlation-id": "c-1", traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
  await t.post(`${items}`, { sku: "g" }, { headers: labels, expect: 201 });
  await t.patch(`${items}/g?source=of+the+parameter`, { price: 9 }, { expect: 200 });
}

async function reads(t) {
  const items = `${t.object()}/items`;
  for (const key of ["a", "b", "c", "f"]) await t.get(`${items}/${key}`, { expect: 200 });
  const version = { headers: { "if-none-match": '"1"' } };
  await t.get(`${items}/b`, { ...version, expect: 200 });
  await t.get(`${items}/b`, { headers: { "if-none-match": 'W/"2", "3"' }, expect: 304 });
  await t.request("HEAD", `${items}/a`, { expect: 200 });
  await t.request("HEAD", `${items}/none`, { expect: "404" });
}

async function keys(t) {
  const parts = `${t.object()}/parts`;
  await t.post(parts, { id: "a/b c~d%", text: "slash" }, { expect: 201 });
  await t.get(`${parts}/a%2Fb%20c~d%25`, { expect: 200 });
  await t.post(parts, { id: "ключ 🔑" }, { expect: 201 });
  await t.get(`${parts}/${encodeURIComponent("ключ 🔑")}`, { expect: 200 });
  const stays = `${t.object()}/stays`;
  await t.post(stays, { day: "2013-05-06", number: 7 }, { expect: 201 });
  await t.put(`${stays}/2013-05-06~8`, { note: "from its key" }, { expect: 201 });
  await t.get(`${stays}/2013-05-06~8`, { expect: 200 });
  await t.refused([
    ["PUT", `${stays}/2013-05-06~9`, { json: { number: 8 } }, "400 key_mismatch"],
    ["PUT", `${stays}/2013-05-06`, { json: {} }, "400 wrong_type"],
    ["POST", parts, { json: { id: "" } }, "400 invalid_key"],
    ["POST", parts, { json: { id: 7 } }, "400 wrong_type"],
    ["POST", parts, { json: { id: "a\u0000b" } }, "400 invalid_key"],
    ["GET", `${parts}/a%01b`, {}, "404 unknown_document"],
    ["PATCH", `${t.object()}/items/a`, { patch: { sku: "z" } }, "400 key_mismatch"],
  ]);
}

async function references(t) {
  const items = `${t.object()}/items`;
  await t.post(`${t.object()}/parts`, { id: "p1" }, { expect: 201 });
  await t.post(items, { sku: "r", part: "p1" }, { expect: 201 });
  await t.refused([
    ["POST", items, { json: { sku: "s", part: "p2" } }, "400 check_failed"],
    ["DELETE", `${t.object()}/parts/p1`, {}, "409 document_referenced"],
  ]);
  await t.delete(`${items}/r`, { expect: 200 });
  await t.delete(`${t.object()}/parts/p1`, { expect: 200 });
}

async function wrongDocuments(t) {
  const items = `${t.object()}/items`;
  const posts = (json, expect) => ["POST", items, { json }, expect];
  await t.refused([
    posts({ sku: "x", price: "1" }, "400 wrong_type"),
    posts({ price: 1 }, "400 missing_field"),
    posts({ sku: null }, "400 missing_field"),
    posts({ sku: "x", price: -0.001 }, "400 check_failed"),
    posts({ sku: "x", price: 1000.5 }, "400 check_failed"),
    posts({ sku: "x", kind: "c" }, "400 check_failed"),
    posts({ sku: "x", place: "JFKX" }, "400 check_failed"),
    posts({ sku: "x", code: 1.5 }, "400 value_out_of_range"),
    posts({ sku: "x", _y: 1 }, "400 reserved_member"),
    posts('{"sku":"x","":1}', "400 reserved_member"),
    posts({ sku: "a" }, "409 duplicate_key"),
    posts({ sku: "x", code: 1 }, "409 unique_violation"),
    posts([{ sku: "x" }, { sku: "x" }], "409 duplicate_key"),
    posts([{ sku: "x" }, { sku: 7 }], "400 wrong_type"),
    posts([{ sku: "x" }, 7], "400 invalid_body"),
    posts('"x"', "400 invalid_body"),
    posts([], "400 empty_turn"),
    posts('{"sku":"x","sku":"y"}', "400 invalid_json"),
    posts('{"sku":"x"', "400 invalid_json"),
    posts('{"sku":"x"} {}', "400 invalid_json"),
    posts('{"sku":"\\ud800"}', "400 invalid_json"),
    posts("", "400 invalid_json"),
    ["POST", items, { body: Buffer.from('{"sku":"\xff"}', "latin1"), headers: { "content-type": "application/json" } }, "400 invalid_json"],
  ]);
}

async function wrongRequests(t) {
  const items = `${t.object()}/items`;
  const ok = { json: { sku: "x" } };
  await t.refused([
    ["POST", `/v1/objects/${t.type}_none/one/items`, ok, "404 unknown_type"],
    ["POST", `/v1/objects/Bad/one/items`, ok, "400 invalid_name"],
    ["POST", `${t.object()}/none`, ok, "404 unknown_collection"],
    ["GET", `${t.object()}/none/a`, {}, "404 unknown_collection"],
    ["GET", `${t.object("two")}/items/a`, {}, "404 unknown_object"],
    ["GET", `${items}/none`, {}, "404 unknown_document"],
    ["PATCH", `${items}/none`, { patch: {} }, "404 unknown_document"],
    ["DELETE", `${items}/none`, {}, "404 unknown_document"],
    ["POST", `${items}?mode=replace`, ok, "400 invalid_parameter"],
    ["POST", `${items}?mode=insert&mode=insert`, ok, "400 invalid_parameter"],
    ["POST", `${items}?firstLine=1`, ok, "400 invalid_parameter"],
    ["POST", `${items}?other=1`, ok, "400 unknown_parameter"],
    ["GET", `${items}/a?other=1`, {}, "400 unknown_parameter"],
    ["POST", items, { body: '{"sku":"x"}', headers: { "content-type": "text/plain" } }, "415 unsupported_media_type"],
    ["POST", items, { body: "sku=x", headers: { "content-type": "application/x-www-form-urlencoded" } }, "415 unsupported_media_type"],
    ["PUT", `${items}/x`, { ndjson: '{"sku":"x"}\n' }, "415 unsupported_media_type"],
    ["PUT", `${items}/x`, { json: [] }, "400 invalid_body"],
  ]);
  await t.request("POST", items, { body: '{"sku":"h"}', expect: 201 });
  await t.request("POST", items, { body: '{"sku":"i"}', headers: { "content-type": "application/json; charset=utf-8" }, expect: 201 });
}

async function deletes(t) {
  const items = `${t.object()}/items`;
  await t.delete(`${items}/a`, { expect: 200 });
  await t.get(`${items}/a`, { expect: "404 unknown_document" });
  await t.delete(`${items}/a`, { expect: "404 unknown_document" });
  await t.post(items, { sku: "a", price: 7 }, { expect: 201 });
  await t.get(`${items}/a`, { expect: 200 });
}
