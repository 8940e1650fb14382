// Reads by key from the lake: the document as of the newest commit, until the next one; deletes, refusals.

export const name = "cold";
export const evicted = true;

const SCHEMA = `
[collections.items]
key = ["sku"]
[collections.items.fields]
sku = { type = "string", required = true }
price = { type = "float" }
count = { type = "int" }
big = { type = "bigint" }
on = { type = "bool" }
day = { type = "date" }
at = { type = "timestamp" }
more = { type = "json" }
bytes = { type = "binary" }
key = { type = "uuid" }
place = { type = "vector", dimensions = 2 }
[collections.items.cold]
partition_by = [{ field = "at", transform = "month" }]
[collections.notes.fields]
text = { type = "string" }
[collections.notes.cold]
[collections.local.fields]
text = { type = "string" }
[collections.local.cold]
enabled = false
`;
const FULL = {
  price: 0.1, count: -9007199254740991, big: "-9223372036854775808", on: true, day: "1969-02-03", at: "2013-02-03T04:05:06.789012Z",
  more: { b: [1, null], a: "ü" }, bytes: "AP8=", key: "01890a5d-ac96-774b-bcce-b302099a8057", place: [0.5, -1], undeclared: { x: [1.0] },
};
/// Nothing moves by itself: the sync that is asked for is the only one.
const SLOW = `[sync]
interval = "1h"
`;

export async function run(t) {
  t.collections = ["items", "notes"];
  await t.register(SLOW + SCHEMA.replaceAll(".cold]\n", '.cold]\nschedule = "1d"\n'));
  await before(t);
  await moves(t);
  await deletes(t);
  await names(t);
  await refusals(t);
  await renamed(t);
}

const cold = (t, path, more = "", options = {}) => t.get(`${t.object()}/${path}?tier=cold${more}`, options);
const sync = (t, id) => t.post(`${t.object(id)}/sync`, { tier: "cold" }, { expect: 200, shown: (answer) => answer.json().lake });

async function before(t) {
  await t.get(`${t.object()}/items/full?tier=cold`, { expect: "404 unknown_object" });
  await t.post(`${t.object()}/items`, { sku: "first" }, { expect: 201 });
  await sync(t); // a table's first commit comes by itself
  const written = await t.post(`${t.object()}/items`, [{ sku: "full", ...FULL }, { sku: "bare" }], { expect: 201 });
  await cold(t, "items/full", "", { expect: "404 unknown_document" });
  await cold(t, "items/full", `&atLeast=${written.json().offset}`, { expect: "503 not_caught_up" });
}

/** As of the last commit, with its version, whatever the object has by now. */
async function moves(t) {
  await sync(t);
  const first = await cold(t, "items/full", "", { expect: 200 });
  const hot = await t.get(`${t.object()}/items/full`, { expect: 200 });
  t.check(`cold is ${first.text}, hot is ${hot.text}`, first.text === hot.text && first.header("etag") === hot.header("etag"));
  await cold(t, "items/bare", "", { expect: 200 });
  await cold(t, "items/full", "", { headers: { "if-none-match": first.header("etag") }, expect: 304 });
  await t.request("HEAD", `${t.object()}/items/full?tier=cold`, { expect: 200 });
  await cold(t, "items/full", `&atLeast=${first.header("tidelog-offset")}`, { expect: 200 });
  await t.get(`${t.object()}/items/full?atLeast=${first.header("tidelog-offset")}`, { expect: 200 });
  const { offset } = (await t.patch(`${t.object()}/items/full`, { price: null, count: 2, place: null, more: [] }, { expect: 200 })).json();
  const older = await cold(t, "items/full", "", { expect: 200 });
  t.check("an update that is not committed is not seen", older.text === first.text && older.header("etag") === first.header("etag"));
  t.check("nor does the offset move", older.header("tidelog-offset") === first.header("tidelog-offset"));
  await cold(t, "items/full", `&atLeast=${offset}`, { expect: "503 not_caught_up" });
  await sync(t);
  const newer = await cold(t, "items/full", `&atLeast=${offset}`, { expect: 200 });
  const now = await t.get(`${t.object()}/items/full`, { expect: 200 });
  t.check("a committed update is seen", newer.text === now.text && newer.header("etag") === now.header("etag"));
}

async function deletes(t) {
  await t.delete(`${t.object()}/items/bare`, { expect: 200 });
  await cold(t, "items/bare", "", { expect: 200 });
  await sync(t);
  await cold(t, "items/bare", "", { expect: "404 unknown_document" });
  await t.put(`${t.object()}/items/bare`, { count: 7 }, { expect: 201 });
  await cold(t, "items/bare", "", { expect: "404 unknown_document" });
  await sync(t);
  await cold(t, "items/bare", "", { expect: 200 });
}

/** Keys that are odd, and objects that have the same ones. */
async function names(t) {
  const keys = ["a/b", "ü ?#%", "x".repeat(1_000), "~"];
  for (const key of keys) await t.put(`${t.object()}/notes/${encodeURIComponent(key)}`, { text: "one" }, { expect: 201 });
  await t.put(`${t.object("two")}/notes/~`, { text: "two" }, { expect: 201 });
  await sync(t);
  await sync(t, "two");
  for (const key of keys) await cold(t, `notes/${encodeURIComponent(key)}`, "", { expect: 200 });
  await t.get(`${t.object("two")}/notes/~?tier=cold`, { expect: 200 });
  await t.get(`${t.object("two")}/notes/a%2Fb?tier=cold`, { expect: "404 unknown_document" });
  await t.delete(t.object("two"), { expect: 200, shown: (answer) => answer.json().documents });
  await t.get(`${t.object("two")}/notes/~?tier=cold`, { expect: "404 object_deleted" });
}

async function refusals(t) {
  const path = `${t.object()}/items/full`;
  const epoch = "0000000000000001_0000000000000001";
  await t.put(`${t.object()}/local/a`, { text: "here alone" }, { expect: 201 });
  await sync(t);
  await t.refused([
    ["GET", `${t.object()}/local/a?tier=cold`, {}, "400 cold_disabled"],
    ["GET", `${path}?tier=warm`, {}, "501 tier_unsupported"],
    ["GET", `${path}?tier=`, {}, "501 tier_unsupported"],
    ["GET", `${path}?tier=cold&tier=cold`, {}, "400 invalid_parameter"],
    ["GET", `${path}?tier=cold&consistency=warm`, {}, "400 conflicting_parameters"],
    ["GET", `${path}?tier=cold&consistency=strong`, {}, "400 conflicting_parameters"],
    ["GET", `${path}?tier=cold&atLeast=now`, {}, "400 malformed_offset"],
    ["GET", `${path}?tier=cold&atLeast=${epoch}`, {}, "410 offset_outside_lineage"],
    ["GET", `${t.object()}/nope/a?tier=cold`, {}, "404 unknown_collection"],
    ["GET", `${t.object()}/items/none?tier=cold`, {}, "404 unknown_document"],
    ["GET", `${t.object("none")}/items/full?tier=cold`, {}, "404 unknown_object"],
    ["GET", "/v1/objects/never_registered/one/items/full?tier=cold", {}, "404 unknown_type"],
    ["PUT", `${path}?tier=cold`, { json: {} }, "400 unknown_parameter"],
  ]);
  await t.get(`${path}?tier=hot&consistency=strong`, { expect: 200 });
}

/** A field's value is under the name that the field has now. */
async function renamed(t) {
  const changed = SCHEMA.replace("count = { type = \"int\" }", "amount = { type = \"int\", renamed_from = \"count\" }");
  await t.register(SLOW + changed.replaceAll(".cold]\n", '.cold]\nschedule = "1d"\n'), { expect: 201 });
  await cold(t, "items/bare", "", { expect: 200 });
  await sync(t);
  await cold(t, "items/bare", "", { expect: 200 });
}
