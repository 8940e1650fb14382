// Reading the log: pages, filters, images, entity tags, places that are not in it.

export const name = "changes";
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
  const changes = `${t.object()}/changes`;
  await t.get(changes, { expect: "404 unknown_object" });
  await t.request("HEAD", changes, { expect: "404" });
  await t.post(`${t.object()}/items`, Array.from({ length: 7 }, (_, at) => ({ sku: `s${at}`, price: at, extra: { at } })), { expect: 201 });
  await t.patch(`${t.object()}/items/s1`, { price: 10, extra: null }, { expect: 200 });
  await t.post(`${t.object()}/notes`, { id: "n", text: "x" }, { headers: { "x-source": "a" }, expect: 201 });
  await t.delete(`${t.object()}/items/s2`, { expect: 200 });
  await t.post(`${t.object()}/items?mode=upsert`, [{ sku: "s3" }, { sku: "s4", price: 4 }], { expect: 200 });
  await t.changes();
  await t.changes("one", "&limit=3");
  await t.changes("one", "&limit=4&images=full&future=ignored");
  await filters(t, changes);
  const next = await tails(t, changes);
  await tags(t, changes, next);
  await wrong(t, changes, next);
}

async function filters(t, changes) {
  for (const parameters of ["collections=notes", "collections=notes,items&operations=UPDATE", "operations=DELETE,INSERT&limit=2", "operations=UPDATE&images=full"]) {
    await t.get(`${changes}?${parameters}`, { expect: 200 });
  }
  await t.changes("one", "&operations=DELETE&limit=1");
}

async function tails(t, changes) {
  await t.request("HEAD", changes, { expect: 200 });
  const now = await t.get(`${changes}?offset=now`, { expect: 200 });
  const next = now.header("stream-next-offset");
  await t.get(`${changes}?offset=${next}`, { expect: 200 });
  await t.get(`${changes}?offset=0000000000000000_0000000000000000&limit=1`, { expect: 200 });
  const half = `${next.slice(0, -2)}05`;
  await t.get(`${changes}?offset=${half}&limit=2`, { expect: 200 });
  return next;
}

async function tags(t, changes, next) {
  const first = await t.get(`${changes}?limit=2`, { expect: 200 });
  const tag = { headers: { "if-none-match": first.header("etag") } };
  await t.get(`${changes}?limit=2`, { ...tag, expect: 304 });
  await t.get(`${changes}?limit=3`, { ...tag, expect: 200 });
  const tail = await t.get(`${changes}?offset=${next}`, { expect: 200 });
  const atTail = { headers: { "if-none-match": tail.header("etag") } };
  await t.get(`${changes}?offset=${next}`, { ...atTail, expect: 304 });
  await t.post(`${t.object()}/notes`, { id: "later" }, { expect: 201 });
  await t.get(`${changes}?offset=${next}`, { ...atTail, expect: 200 });
}

async function wrong(t, changes, next) {
  const [epoch, sequence] = next.split("_");
  const refusal = (parameters, expect) => ["GET", `${changes}?${parameters}`, {}, expect];
  await t.refused([
    refusal("offset=7", "400 malformed_offset"),
    refusal("offset=", "400 malformed_offset"),
    refusal("offset=-2", "400 malformed_offset"),
    refusal(`offset=${"0".repeat(17)}_${sequence}`, "400 malformed_offset"),
    refusal("offset=9999999999999999_0000000000000001", "400 malformed_offset"),
    refusal(`offset=${epoch}_0000000000009999`, "410 offset_outside_lineage"),
    refusal(`offset=${"0".repeat(15)}9_${sequence}`, "410 offset_outside_lineage"),
    refusal("limit=x", "400 limit_out_of_range"),
    refusal("operations=TRUNCATE", "400 unknown_operation"),
    refusal("operations=", "400 invalid_parameter"),
    refusal("collections=none", "404 unknown_collection"),
    refusal("collections=Bad", "400 invalid_name"),
    refusal("collections=items,,notes", "400 invalid_parameter"),
    refusal("images=all", "400 invalid_parameter"),
    refusal("live=websocket&offset=-1", "400 invalid_parameter"),
    refusal("live=long-poll", "400 invalid_parameter"),
    refusal("live=sse", "400 invalid_parameter"),
    refusal("offset=-1&offset=-1", "400 invalid_parameter"),
    refusal("offset=%zz", "400 invalid_parameter"),
    refusal(`live=sse&offset=${epoch}_0000000000009999`, "410 offset_outside_lineage"),
  ]);
}
