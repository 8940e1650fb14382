// What is written reaches the table once: by sync, and by age without one.

export const name = "lake";
export const evicted = true;

const TYPE = `
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
`;
const FULL = {
  price: 0.1, count: 9007199254740991, big: "-9223372036854775808", on: true, day: "2013-02-03", at: "2013-02-03T04:05:06.789012Z",
  more: { b: [1, null], a: "ü" }, bytes: "AP8=", key: "01890a5d-ac96-774b-bcce-b302099a8057", place: [0.5, -1], undeclared: { x: [1.0] },
};

export async function run(t) {
  t.collections = ["items", "notes"];
  await t.register(TYPE);
  await t.post(`${t.object()}/sync`, { tier: "cold" }, { expect: "404 unknown_object" });
  await writes(t, "one");
  await t.post(`${t.object()}/sync`, { tier: "cold" }, { expect: 200, shown: lag });
  await t.lake("items");
  await t.post(`${t.object()}/sync`, {}, { expect: 200, shown: lag });
  await t.post(`${t.object()}/sync`, { tier: "warm" }, { expect: 200, shown: lag });
  await byAge(t);
  await refusals(t);
}

async function writes(t, id) {
  const items = `${t.object(id)}/items`;
  const headers = { "x-source": "till", "x-correlation-id": "c" };
  await t.post(items, { sku: "full", ...FULL }, { expect: 201, headers });
  await t.post(items, [{ sku: "a", at: "2013-03-01T00:00:00Z" }, { sku: "b" }, { sku: "ü/1" }], { expect: 201 });
  await t.patch(`${items}/full`, { price: null, count: 1, undeclared: { x: null }, more: [] }, { expect: 200 });
  await t.post(`${t.object(id)}/notes`, { id: "n", text: "x" }, { expect: 201 });
  await t.delete(`${items}/a`, { expect: 200 });
}

/** Alarms or timers alone move it: nothing asks for a sync. */
async function byAge(t) {
  await writes(t, "two");
  await t.post(`${t.object()}/items?mode=upsert`, [{ sku: "full" }, { sku: "new", at: "2014-01-01T00:00:00Z" }], { expect: 200 });
  await t.settle("one", "two");
  const rows = await t.lake("items");
  t.check(`14 events of items, not ${rows.length}`, rows.length === 14);
  await t.lakeIsLog("items", "one", "two");
  await t.lake("notes");
  await t.get(`${t.object("two")}/state`, { expect: 200, shown: lag });
  await t.delete(t.object("two"), { expect: 200, shown: (answer) => answer.json().documents });
  await t.settle("one");
  await t.post(`${t.object()}/sync`, { tier: "cold" }, { expect: 200, shown: lag });
}

function lag(answer) {
  const { head, lake, headOffset, headHash, documents, lastHotSequence, lastWarmSequence, lastColdSequence, ...rest } = answer.json();
  const marks = { lastHotSequence, lastWarmSequence, lastColdSequence, lag: rest.lag };
  return lake ? { head, lake, headOffset, headHash, documents, ...marks } : answer.json();
}

async function refusals(t) {
  const sync = `${t.object()}/sync`;
  await t.refused([
    ["POST", sync, { json: { tier: "tepid" } }, "501 tier_unsupported"],
    ["POST", sync, { json: { tier: 1 } }, "400 invalid_body"],
    ["POST", sync, { json: { tier: "cold", wait: true } }, "400 invalid_body"],
    ["POST", sync, { json: [] }, "400 invalid_body"],
    ["POST", sync, {}, "400 invalid_json"],
    ["POST", `${sync}?tier=cold`, { json: { tier: "cold" } }, "400 unknown_parameter"],
  ]);
}
