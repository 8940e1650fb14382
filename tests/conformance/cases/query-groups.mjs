// Groups, aggregates and time buckets.

import { TYPE, flights } from "./queries.mjs";

export const name = "query-groups";

const ALL = {
  rows: { count: "*" }, delays: { count: "delay" }, kinds: { countDistinct: "carrier" }, least: { min: "delay" }, most: { max: "at" },
  first: { min: "carrier" }, sum: { sum: "delay" }, mean: { avg: "delay" }, miles: { sum: "distance" }, meanMiles: { avg: "distance" },
  tails: { sum: "tail" }, meanTail: { avg: "tail" }, days: { countDistinct: "day" }, last: { max: "day" }, greatest: { max: "tail" },
};

export const GROUPS = [
  { aggregate: ALL },
  { aggregate: ALL, where: { number: { lt: 0 } } },
  { groupBy: ["carrier"], aggregate: ALL },
  { groupBy: ["carrier"] },
  { groupBy: ["carrier", "cancelled"], aggregate: { rows: { count: "*" } } },
  { groupBy: ["cancelled"], aggregate: { rows: { count: "*" }, late: { avg: "delay" } }, orderBy: ["-late"], limit: 1 },
  { groupBy: [{ field: "at", bucket: "day", as: "day" }], aggregate: { rows: { count: "*" } } },
  { groupBy: [{ field: "at", bucket: "hour", as: "hour" }], aggregate: { rows: { count: "*" } }, limit: 3 },
  { groupBy: [{ field: "at", bucket: "month", as: "month" }], aggregate: { rows: { count: "*" } } },
  { groupBy: [{ field: "at", bucket: "year", as: "year" }], aggregate: { rows: { count: "*" } } },
  { groupBy: [{ field: "at", bucket: "5h", as: "five" }], aggregate: { rows: { count: "*" } } },
  { groupBy: [{ field: "at", bucket: "90m", as: "ninety" }], aggregate: { rows: { count: "*" } }, limit: 4 },
  { groupBy: [{ field: "day", bucket: "7d", as: "week" }], aggregate: { rows: { count: "*" } } },
  { groupBy: [{ field: "day", bucket: "month", as: "month" }, "carrier"], aggregate: { sum: { sum: "distance" } }, orderBy: ["-sum", "carrier"] },
  { groupBy: ["delay"], aggregate: { rows: { count: "*" } }, orderBy: ["-rows", "delay"], where: { delay: { exists: true } } },
  { groupBy: ["day"], aggregate: { rows: { count: "*" } }, timeRange: { field: "at", from: "2013-01-02T00:00:00Z" } },
];

const REFUSALS = [
  [{ groupBy: ["carrier"], select: ["carrier"] }, "400 conflicting_parameters"],
  [{ groupBy: [], aggregate: {} }, "400 wrong_type"],
  [{ groupBy: ["none"] }, "400 unknown_field"],
  [{ groupBy: ["carrier", "carrier"] }, "400 duplicate_name"],
  [{ groupBy: ["carrier"], aggregate: { carrier: { count: "*" } } }, "400 duplicate_name"],
  [{ groupBy: [{ field: "at", bucket: "week", as: "w" }] }, "400 invalid_bucket"],
  [{ groupBy: [{ field: "at", bucket: "0m", as: "w" }] }, "400 invalid_bucket"],
  [{ groupBy: [{ field: "day", bucket: "hour", as: "h" }] }, "400 invalid_bucket"],
  [{ groupBy: [{ field: "carrier", bucket: "day", as: "d" }] }, "400 invalid_bucket"],
  [{ aggregate: { x: { median: "delay" } } }, "400 unknown_function"],
  [{ aggregate: { x: { sum: "carrier" } } }, "400 not_numeric"],
  [{ aggregate: { x: { avg: "at" } } }, "400 not_numeric"],
  [{ aggregate: { x: { min: "more" } } }, "400 not_ordered"],
  [{ aggregate: { x: { sum: "none" } } }, "400 unknown_field"],
  [{ aggregate: { x: { count: "*", sum: "delay" } } }, "400 wrong_type"],
  [{ aggregate: { "": { count: "*" } } }, "400 invalid_name"],
  [{ groupBy: ["carrier"], orderBy: ["delay"] }, "400 unknown_field"],
];

export async function run(t) {
  await t.register(TYPE);
  await t.post(`${t.object()}/flights`, flights(), { expect: 201 });
  const query = (body, expect = 200) => t.post(`${t.object()}/flights/query`, body, { expect });
  for (const body of GROUPS) await query(body);
  for (const [body, expect] of REFUSALS) await query(body, expect);
  await pages(t, query);
  await limits(query);
  await overflow(t);
}

async function pages(t, query) {
  let after;
  let seen = 0;
  do {
    const answer = (await query({ groupBy: ["day"], aggregate: { rows: { count: "*" } }, orderBy: ["-rows"], limit: 10, after })).json();
    seen += answer.rows.length;
    after = answer.next;
  } while (after);
  t.check(`28 days in pages, not ${seen}`, seen === 28);
}

async function limits(query) {
  const many = (count) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`a${at}`, { count: "*" }]));
  await query({ aggregate: many(32) });
  await query({ aggregate: many(33) }, "413 list_too_long");
  const fields = ["number", "carrier", "delay", "distance", "tail", "cancelled", "day", "at"];
  await query({ groupBy: fields, limit: 1 });
  await query({ groupBy: [...fields, "key"], limit: 1 }, "413 list_too_long");
}

async function overflow(t) {
  const big = `${t.object("big")}/flights`;
  const most = Number.MAX_SAFE_INTEGER;
  await t.post(big, [{ number: 1, delay: most, tail: "9223372036854775807", distance: 1e308 }, { number: 2, delay: 1, tail: "1", distance: 1e308 }], { expect: 201 });
  await t.post(`${big}/query`, { aggregate: { sum: { sum: "tail" } } }, { expect: 200 });
  for (const field of ["delay", "distance"]) await t.post(`${big}/query`, { aggregate: { sum: { sum: field } } }, { expect: "400 sum_overflow" });
  await t.post(`${big}/query`, { aggregate: { mean: { avg: "delay" }, tail: { avg: "tail" } } }, { expect: 200 });
}
