// The Iceberg REST catalog, read side, and the metadata of a table after one flush.

export const name = "iceberg";

const TYPE = `
[collections.items]
key = ["sku"]
[collections.items.fields]
sku = { type = "string", required = true }
price = { type = "float" }
at = { type = "timestamp" }
[collections.items.cold]
partition_by = [{ field = "at", transform = "month" }, { field = "_object", transform = "bucket[4]" }]
[collections.local.fields]
[collections.local.cold]
enabled = false
`;
const BASE = "/iceberg/v1/default/namespaces";
/** How readers reach the files is the host's own, and so is whether a table was created by a commit of
 * its own, before the one with rows. */
const OWN = ["config", "storage-credentials", "metadata-log"];

export async function run(t) {
  await t.register(TYPE);
  const items = Array.from({ length: 6 }, (_, at) => ({ sku: `s${at}`, price: at, at: `2013-0${1 + (at % 3)}-01T00:00:00Z` }));
  await t.post(`${t.object()}/items`, items, { expect: 201 });
  await t.post(`${t.object()}/sync`, { tier: "cold" }, { expect: 200 });
  await catalog(t);
  await table(t);
  await refusals(t);
}

async function catalog(t) {
  const mine = (answer) => answer.json().namespaces.filter(([name]) => name === t.type);
  const namespace = `${BASE}/${t.type}`;
  await t.get("/iceberg/v1/config", { expect: 200 });
  await t.get("/iceberg/v1/config?warehouse=any", { expect: 200 });
  await t.get(BASE, { expect: 200, shown: mine });
  await t.get(`${BASE}?parent=${t.type}`, { expect: 200 });
  await t.get(namespace, { expect: 200 });
  await t.request("HEAD", namespace, { expect: 204 });
  await t.get(`${namespace}/tables`, { expect: 200 });
  await t.get(`${namespace}/tables?pageSize=1`, { expect: 200 });
  await t.get(`${namespace}/tables?pageSize=1&pageToken=items_changes`, { expect: 200 });
}

async function table(t) {
  const table = `${BASE}/${t.type}/tables/items_changes`;
  const loaded = await t.get(table, { expect: 200, own: OWN });
  await t.get(table, { headers: { "if-none-match": loaded.header("etag") }, expect: 304 });
  await t.request("HEAD", table, { expect: 204 });
  const { config } = loaded.json();
  t.check("readers are told where the files are", typeof config === "object");
}

async function refusals(t) {
  const tables = `${BASE}/${t.type}/tables`;
  const iceberg = async (method, path, status, type, options) => {
    const answer = await t.request(method, path, { ...options, expect: status });
    if (type) t.check(`${method} ${path} is ${type}: ${answer.text}`, answer.json().error.type === type);
  };
  await iceberg("GET", `${BASE}/none`, undefined, "NoSuchNamespaceException");
  await iceberg("HEAD", `${BASE}/none`, "404");
  await iceberg("GET", `${BASE}/none/tables`, undefined, "NoSuchNamespaceException");
  await iceberg("GET", `${BASE}?parent=none`, undefined, "NoSuchNamespaceException");
  await iceberg("GET", `${tables}/none`, undefined, "NoSuchTableException");
  await iceberg("GET", `${tables}/local_changes`, undefined, "NoSuchTableException");
  await iceberg("HEAD", `${tables}/none`, "404");
  await iceberg("GET", "/iceberg/v1/other/namespaces", undefined, "NotFoundException");
  await iceberg("GET", "/iceberg/v1/nothing", undefined, "NotFoundException");
  await iceberg("GET", `${BASE}?pageSize=0`, undefined, "BadRequestException");
  await iceberg("POST", BASE, undefined, "UnsupportedOperationException", { json: { namespace: ["x"] } });
  await iceberg("DELETE", `${tables}/items_changes`, undefined, "UnsupportedOperationException");
  await iceberg("POST", `${tables}/items_changes`, undefined, "UnsupportedOperationException", { json: {} });
}
