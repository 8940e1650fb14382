// The warm tier: what reads say of the cache, pushes, users' entries, and what is refused.

export const name = "warm";

const SCHEMA = `
[warm]
enabled = true
default_ttl = "1h"
collections = ["pushed"]
[collections.pushed.fields]
n = { type = "int" }
[collections.plain.fields]
n = { type = "int" }
[collections.cool]
warm = { enabled = false }
`;

export async function run(t) {
  await t.register(SCHEMA);
  await reads(t);
  await queries(t);
  await pushes(t);
  await entries(t);
  await refusals(t);
}

async function reads(t) {
  const path = `${t.object()}/plain/a`;
  const warm = (more = "", options) => t.get(`${path}?consistency=warm${more}`, { expect: 200, ...options });
  await t.put(path, { n: 1 }, { expect: 201 });
  await warm();
  await warm();
  await warm("", { headers: { "if-none-match": '"1"' }, expect: 304 });
  await t.request("HEAD", `${path}?consistency=warm`, { expect: 200 });
  const offset = (await t.put(path, { n: 2 }, { expect: 200 })).json().offset;
  const old = await warm();
  t.check("a write past the cache is not seen there", old.json().n === 1);
  await t.get(`${path}?consistency=strong`, { expect: 200 });
  await t.get(`${path}?atLeast=${offset}`, { expect: 200 });
  await warm(`&atLeast=${offset}`);
  await warm();
  await t.put(`${t.object()}/cool/x`, { n: 1 }, { expect: 201 });
  await warm();
  await t.get(`${t.object()}/cool/x?consistency=warm`, { expect: 200 });
  await warm(`&atLeast=${offset.slice(0, -4)}9999`, { expect: "503 not_caught_up" });
  await t.get(`${t.object()}/plain/none?consistency=warm`, { expect: "404 unknown_document" });
  await t.get(`${t.object("none")}/plain/a?consistency=warm`, { expect: "404 unknown_object" });
  for (const key of ["..", "a/b", "ü ?#%", "x".repeat(1_000)]) {
    const odd = `${t.object()}/plain/${encodeURIComponent(key).replaceAll(".", "%2E")}`;
    if (key === "..") continue; // a Worker sees it resolved
    await t.put(odd, { n: 7 }, { expect: 201 });
    await t.get(`${odd}?consistency=warm`, { expect: 200 });
    await t.get(`${odd}?consistency=warm`, { expect: 200 });
  }
}

async function queries(t) {
  const path = `${t.object()}/plain/query`;
  const where = { n: { gt: 1 } };
  await t.post(path, { where, consistency: "warm" }, { expect: 200 });
  await t.post(path, { consistency: "warm", where }, { expect: 200 });
  await t.post(path, { where, limit: 1, consistency: "warm" }, { expect: 200 });
  await t.post(path, { where, limit: 1 }, { expect: 200 });
  await t.post(path, { where: { nope: 1 }, consistency: "warm" }, { expect: "400 unknown_field" });
  await t.post(path, { consistency: "warm", atLeast: 5 }, { expect: "400 wrong_type" });
  await t.post(path, '{"consistency":"warm"', { expect: "400 invalid_json" });
  await t.request("POST", path, { body: '{"consistency":"warm"}', headers: { "content-type": "text/plain" }, expect: "415 unsupported_media_type" });
  await t.post(`${t.object()}/cool/query`, { consistency: "warm" }, { expect: 200 });
}

async function pushes(t) {
  const sync = () => t.post(`${t.object("two")}/sync`, { tier: "warm" }, { expect: 200, own: ["warm", "lake", "cursors", "wakes"] });
  await t.post(`${t.object("two")}/pushed`, [{ id: "a", n: 1 }, { id: "b", n: 2 }], { expect: 201 });
  await sync();
  await t.delete(`${t.object("two")}/pushed/a`, { expect: 200 });
  // The last change: an alarm may have pushed the one before, and a push brings what is new since.
  await t.put(`${t.object("two")}/pushed/b`, { n: 3 }, { expect: 200 });
  await sync();
  const hit = await t.get(`${t.object("two")}/pushed/b?consistency=warm`, { expect: 200 });
  t.check("a pushed document is there", hit.header("tidelog-cache") === "hit" && hit.json().n === 3);
  await t.get(`${t.object("two")}/pushed/a?consistency=warm`, { expect: "404 unknown_document" });
}

async function entries(t) {
  const path = (key) => `${t.object("unmade")}/cache/${encodeURIComponent(key)}`;
  const put = (key, more = "") =>
    t.request("PUT", `${path(key)}${more}`, { body: `<b>${key}</b>`, headers: { "content-type": "text/html" }, expect: 204 });
  for (const key of ["users:1", "users:2/name", "other", "ü*x"]) {
    await t.get(path(key), { expect: "404 unknown_cache_entry" });
    await put(key);
    await t.get(path(key), { expect: 200 });
  }
  await t.request("HEAD", path("other"), { expect: 200 });
  await put("users:1", "?ttl=2h");
  await t.delete(path("users:2/*"), { expect: 204 });
  await t.get(path("users:2/name"), { expect: "404 unknown_cache_entry" });
  await t.get(path("users:1"), { expect: 200 });
  await t.delete(path("users:*"), { expect: 204 });
  await t.get(path("users:1"), { expect: "404 unknown_cache_entry" });
  await t.get(path("other"), { expect: 200 });
  await t.delete(path("other"), { expect: 204 });
  await t.delete(path("other"), { expect: 204 });
  await t.get(path("other"), { expect: "404 unknown_cache_entry" });
  await put("users:1");
  await t.delete(path("*"), { expect: 204 });
  await t.get(path("users:1"), { expect: "404 unknown_cache_entry" });
}

async function refusals(t) {
  const epoch = "0000000000000001_0000000000000001";
  const large = Buffer.alloc(1_000_001);
  await t.register("[collections.notes]\n", { name: `${t.type}_cool` });
  await t.refused([
    ["GET", `${t.object()}/plain/a?consistency=eventual`, {}, "501 consistency_unsupported"],
    ["GET", `${t.object()}/plain/a?consistency=`, {}, "501 consistency_unsupported"],
    ["GET", `${t.object()}/plain/a?consistency=warm&atLeast=now`, {}, "400 malformed_offset"],
    ["GET", `${t.object()}/plain/a?consistency=warm&fresh=1`, {}, "400 unknown_parameter"],
    ["GET", `${t.object()}/plain/a?atLeast=${epoch}`, {}, "410 offset_outside_lineage"],
    ["GET", `${t.object()}/plain/a?consistency=warm&atLeast=${epoch}`, {}, "410 offset_outside_lineage"],
    ["POST", `${t.object()}/plain/query`, { json: { atLeast: epoch } }, "410 offset_outside_lineage"],
    ["POST", `${t.object()}/plain/query`, { json: { atLeast: epoch, consistency: "warm" } }, "410 offset_outside_lineage"],
    ["GET", `${t.object()}/nope/a?consistency=warm`, {}, "404 unknown_collection"],
    ["POST", `${t.object()}/sync`, { json: { tier: "hot" } }, "501 tier_unsupported"],
    ["PUT", `${t.object()}/cache/k?ttl=59`, { body: "x" }, "400 invalid_parameter"],
    ["PUT", `${t.object()}/cache/k?ttl=2y`, { body: "x" }, "400 invalid_parameter"],
    ["PUT", `${t.object()}/cache/${"k".repeat(513)}`, { body: "x" }, "413 cache_key_too_long"],
    ["GET", `${t.object()}/cache/${"k".repeat(513)}`, {}, "413 cache_key_too_long"],
    ["PUT", `${t.object()}/cache/k*`, { body: "x" }, "400 invalid_cache_key"],
    ["GET", `${t.object()}/cache/k*`, {}, "400 invalid_cache_key"],
    ["DELETE", `${t.object()}/cache/k*`, {}, "400 invalid_cache_key"],
    ["PUT", `${t.object()}/cache/k`, { body: large }, "413 body_too_large"],
    ["POST", `${t.object()}/cache/k`, { json: {} }, "405 method_not_allowed"],
    ["PUT", `/v1/objects/${t.type}_cool/one/cache/k`, { body: "x" }, "400 warm_disabled"],
    ["GET", "/v1/objects/never_registered/one/cache/k", {}, "404 unknown_type"],
  ]);
}
