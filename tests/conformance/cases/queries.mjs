// Queries of documents: every operator on every kind of field, order, pages, select, places in time.

export const name = "queries";

export const TYPE = `
[collections.flights]
key = ["number"]
indexes = [{ fields = ["carrier"] }, { fields = ["delay"] }]
[collections.flights.fields]
number = { type = "int", required = true }
carrier = { type = "string" }
delay = { type = "int" }
distance = { type = "float" }
tail = { type = "bigint" }
cancelled = { type = "bool" }
day = { type = "date" }
at = { type = "timestamp" }
more = { type = "json" }
mark = { type = "binary" }
key = { type = "uuid" }
place = { type = "vector", dimensions = 2 }
[collections.flights.cold]
partition_by = [{ field = "at", transform = "day" }, { field = "carrier", transform = "identity" }]
`;

const UUID = "01890a5d-ac96-774b-bcce-b302099a80";

/** 40 rows; some lack some fields. */
export function flights() {
  const some = (at, step, members) => (at % step === 0 ? {} : members);
  return Array.from({ length: 40 }, (_, at) => ({
    number: at,
    ...some(at, 7, { carrier: ["UA", "DL", "B6", "ua", "Ü%_"][at % 5] }),
    ...some(at, 5, { delay: (at % 9) - 4 }),
    ...some(at, 11, { distance: at * 10.25 }),
    tail: String(9_007_199_254_740_000 * (at - 20)),
    cancelled: at % 3 === 0,
    day: `2013-01-${String(1 + (at % 28)).padStart(2, "0")}`,
    at: new Date(Date.UTC(2013, 0, 1, at)).toISOString(),
    more: at % 2 === 0 ? { a: [at % 4, null], b: "x" } : at % 4,
    mark: Buffer.from([at, 255 - at]).toString("base64"),
    key: `${UUID}${String(at).padStart(2, "0")}`,
    place: [at, 0.5],
    ...some(at, 4, { undeclared: at }),
  }));
}

/** Conditions; only the keys of what they let through are compared. */
export const CONDITIONS = [
  { carrier: "UA" }, { carrier: { ne: "UA" } }, { not: { carrier: "UA" } }, { carrier: null }, { carrier: { exists: true } },
  { carrier: { in: ["UA", "DL", null] } }, { carrier: { nin: ["UA", "DL"] } }, { carrier: { gt: "B6", lte: "Z" } },
  { carrier: { like: "_A" } }, { carrier: { like: "%\\%\\_" } }, { carrier: { like: "%a%" } }, { carrier: { prefix: "Ü" } }, { carrier: { contains: "A" } },
  { carrier: { between: ["A", "DL"] } }, { carrier: { prefix: "" } }, { carrier: { in: [] } },
  { delay: 0 }, { delay: { gte: 2 } }, { delay: { lt: -2 } }, { delay: { between: [-1, 1] } }, { delay: { in: [4, -4] } }, { delay: { ne: null } },
  { distance: { gt: 100.5, lt: 200 } }, { distance: 10.25 }, { tail: { gt: "0" } }, { tail: { between: ["-18014398509480000", "9007199254740000"] } },
  { cancelled: true }, { cancelled: { ne: true } }, { day: { gte: "2013-01-20" } }, { day: "2013-01-05" },
  { at: { gte: "2013-01-02T00:00:00Z", lt: "2013-01-02T03:00:00+01:00" } }, { at: 1356998400000 },
  { more: { eq: { b: "x", a: [0, null] } } }, { more: 1 }, { more: { ne: 3 } }, { mark: "Af4=" }, { mark: { exists: false } },
  { key: `${UUID}07` }, { key: { gt: `${UUID}37` } }, { place: [3, 0.5] }, { _key: { in: ["3", "30", "4"] } }, { _version: { gt: 38 } }, { _key: { prefix: "3" } },
  { and: [{ carrier: "UA" }, { delay: { gt: 0 } }] }, { or: [{ number: 1 }, { and: [{ number: 2 }, { cancelled: false }] }] },
  { not: { or: [{ carrier: { exists: true } }, { delay: null }] } }, { and: [] }, { or: [] }, { carrier: "UA", delay: { lt: 2 } },
];

export const ORDERS = [["-delay", "number"], ["carrier", "-distance"], ["day"], [{ field: "tail", desc: true }], ["cancelled", "-at"], ["-_key"], ["_version"], ["key"], []];

export async function run(t) {
  await t.register(TYPE);
  await t.post(`${t.object()}/flights`, flights(), { expect: 201 });
  const query = (body, options) => t.post(`${t.object()}/flights/query`, body, { expect: 200, ...options });
  const keys = (answer) => (answer.status === 200 ? answer.json().rows.map((row) => row._key).join(" ") : answer.json());
  for (const where of CONDITIONS) await query({ where }, { shown: keys });
  for (const orderBy of ORDERS) await query({ orderBy, where: { number: { lt: 20 } } }, { shown: keys });
  await query({ limit: 3 });
  await query({ select: ["carrier", "at", "tail"], limit: 3 });
  await query({ select: [], limit: 2 });
  await query({ where: null, orderBy: null, limit: 1 });
  await places(query, keys);
  await pages(t, query);
  await t.post(`${t.object("none")}/flights/query`, {}, { expect: "404 unknown_object" });
}

async function places(query, keys) {
  await query({ timeRange: { field: "at", from: "2013-01-01T10:00:00Z", to: "2013-01-01T13:00:00Z" } }, { shown: keys });
  await query({ timeRange: { from: "2013-01-02T12:00:00Z" } }, { shown: keys });
  await query({ timeRange: { field: "day", to: "2013-01-03" } }, { shown: keys });
  await query({ partitions: { year: 2013, month: 1, day: 2 } }, { shown: keys });
  await query({ partitions: { carrier: "UA" } }, { shown: keys });
  await query({ tiers: ["hot"], consistency: "strong", limit: 1 });
}

async function pages(t, query) {
  for (const orderBy of [["carrier", "-delay"], ["_key"]]) {
    let after;
    let seen = 0;
    do {
      const answer = await query({ where: { number: { gte: 5 } }, orderBy, limit: 8, select: ["carrier", "delay"], after });
      seen += answer.json().rows.length;
      after = answer.json().next;
    } while (after);
    t.check(`35 rows in pages, not ${seen}`, seen === 35);
  }
  const first = (await query({ orderBy: ["day"], limit: 1 })).json();
  await query({ orderBy: ["day"], limit: 2, after: first.next });
  await query({ orderBy: ["-day"], limit: 2, after: first.next }, { expect: "400 invalid_cursor" });
  await query({ orderBy: ["day"], where: { number: 1 }, after: first.next }, { expect: "400 invalid_cursor" });
  await query({ atLeast: first.offset, limit: 1 });
}
