// The queries of `queries` and `query-groups` over documents that are folded, and over some that are
// folded and some that are rows: what they answer over rows alone.

import { CONDITIONS, ORDERS, TYPE, flights } from "./queries.mjs";
import { GROUPS } from "./query-groups.mjs";

export const name = "queries-folded";

const hot = (threshold) => `[collections.flights.hot]\nvortex_threshold = ${threshold}\n`;
const FOLDED = (TYPE + hot(10)).replaceAll("collections.flights", "collections.folded");
const PLACES = [
  { timeRange: { field: "at", from: "2013-01-01T10:00:00Z", to: "2013-01-01T13:00:00Z" } }, { timeRange: { field: "day", to: "2013-01-03" } },
  { partitions: { carrier: "UA" } }, { select: ["carrier", "at", "tail"], limit: 3 }, { select: [], limit: 2 },
];

export async function run(t) {
  await t.register(TYPE + hot(0) + FOLDED);
  const places = [["rows", "flights"], ["folded", "folded"]];
  for (const [id, collection] of places) await t.post(`${t.object(id)}/${collection}`, flights(), { expect: 201 });
  await t.folded("folded");
  await all(t, places);
  for (const [id, collection] of places) await changes(t, `${t.object(id)}/${collection}`);
  await t.folded("folded");
  await all(t, places);
}

/** Some documents become rows again, some are new, some are gone. */
async function changes(t, path) {
  for (const number of [1, 8, 13]) await t.patch(`${path}/${number}`, { delay: -number, carrier: "ZZ" }, { expect: 200 });
  for (const number of [2, 39]) await t.delete(`${path}/${number}`, { expect: 200 });
  await t.post(path, { number: 41, carrier: "UA", delay: 5, distance: 10.25 }, { expect: 201 });
}

async function all(t, places) {
  for (const where of CONDITIONS) await same(t, places, { where });
  for (const orderBy of ORDERS) await same(t, places, { orderBy, where: { number: { lt: 20 } } });
  for (const body of [...PLACES, ...GROUPS]) await same(t, places, body);
  for (const orderBy of [["carrier", "-delay"], ["_key"], ["-at"]]) {
    let after;
    do {
      after = await same(t, places, { where: { number: { gte: 5 } }, orderBy, limit: 8, after });
    } while (after);
  }
}

/** The same query over both; only the one over folded documents enters the transcript. */
async function same(t, places, body) {
  const [[id, collection], folded] = places;
  // A cursor belongs to the collection that gave it.
  const after = (at) => (body.after === undefined ? {} : { after: body.after[at] });
  const rows = (await t.quietly("POST", `${t.object(id)}/${collection}/query`, { json: { ...body, ...after(0) } })).json();
  const keys = (answer) => answer.json().rows?.map((row) => row._key ?? row) ?? answer.json();
  const answer = await t.post(`${t.object(folded[0])}/${folded[1]}/query`, { ...body, ...after(1) }, { expect: 200, shown: keys });
  const [found, wanted] = [answer.json(), rows].map(({ rows, next }) => JSON.stringify([rows, next === undefined]));
  t.check(`${JSON.stringify(body)}: ${found} over folded documents, ${wanted} over rows`, found === wanted);
  const next = answer.json().next;
  return next === undefined ? undefined : [rows.next, next];
}
