// Queries that are refused, and the limits of a query: at them and one past.

import { TYPE } from "./queries.mjs";

export const name = "query-refusals";

const nested = (levels) => Array.from({ length: levels }).reduce((inner) => ({ not: inner }), { number: 1 });
const either = (count) => ({ or: list(count).map((number) => ({ number })) });
const list = (length) => Array.from({ length }, (_, at) => at);

const REFUSALS = [
  ["[]", "400 wrong_type"],
  ["7", "400 wrong_type"],
  ["{", "400 invalid_json"],
  ['{"limit":1,"limit":2}', "400 invalid_json"],
  [{ colour: 1 }, "400 unknown_parameter"],
  [{ where: [] }, "400 wrong_type"],
  [{ where: { none: 1 } }, "400 unknown_field"],
  [{ where: { id: "1" } }, "400 unknown_field"],
  [{ where: { number: { near: 1 } } }, "400 unknown_operator"],
  [{ where: { number: {} } }, "400 wrong_type"],
  [{ where: { number: "1" } }, "400 wrong_type"],
  [{ where: { number: 1.5 } }, "400 value_out_of_range"],
  [{ where: { number: 9007199254740992 } }, "400 value_out_of_range"],
  [{ where: { number: { between: [1] } } }, "400 wrong_type"],
  [{ where: { number: { in: 1 } } }, "400 wrong_type"],
  [{ where: { number: { like: "1%" } } }, "400 operator_not_applicable"],
  [{ where: { more: { gt: 1 } } }, "400 operator_not_applicable"],
  [{ where: { place: { in: [] } } }, "400 operator_not_applicable"],
  [{ where: { carrier: { like: "a\\" } } }, "400 invalid_pattern"],
  [{ where: { carrier: { exists: 1 } } }, "400 wrong_type"],
  [{ where: { carrier: { gt: null } } }, "400 wrong_type"],
  [{ where: { and: {} } }, "400 wrong_type"],
  [{ where: { not: [] } }, "400 wrong_type"],
  [{ select: ["none"] }, "400 unknown_field"],
  [{ select: "number" }, "400 wrong_type"],
  [{ orderBy: ["none"] }, "400 unknown_field"],
  [{ orderBy: ["more"] }, "400 not_ordered"],
  [{ orderBy: "number" }, "400 wrong_type"],
  [{ orderBy: [{ field: "number", up: true }] }, "400 unknown_parameter"],
  [{ limit: 0 }, "400 limit_out_of_range"],
  [{ limit: 10_001 }, "400 limit_out_of_range"],
  [{ limit: "7" }, "400 limit_out_of_range"],
  [{ limit: 1.5 }, "400 limit_out_of_range"],
  [{ after: "x" }, "400 invalid_cursor"],
  [{ after: 7 }, "400 wrong_type"],
  [{ atLeast: "7" }, "400 malformed_offset"],
  [{ atLeast: "now" }, "400 malformed_offset"],
  [{ asOf: "2013-01-01T00:00:00Z" }, "501 as_of_unsupported"],
  [{ tiers: ["cold"] }, "501 tier_unsupported"],
  [{ consistency: "eventual" }, "501 consistency_unsupported"],
  [{ timeRange: { field: "number" } }, "400 wrong_type"],
  [{ timeRange: { field: "none" } }, "400 unknown_field"],
  [{ timeRange: { since: 1 } }, "400 unknown_parameter"],
  [{ partitions: { week: 1 } }, "400 unknown_partition"],
  [{ partitions: { month: 1 } }, "400 incomplete_partition"],
  [{ partitions: { year: "x" } }, "400 wrong_type"],
  [{ partitions: { year: 2013, month: 13 } }, "400 value_out_of_range"],
];

export async function run(t) {
  await t.register(`${TYPE}\n[collections.visits.fields]\ncame = { type = "timestamp" }\nwent = { type = "timestamp" }\n`);
  await t.post(`${t.object()}/flights`, { number: 1 }, { expect: 201 });
  const path = `${t.object()}/flights/query`;
  for (const [json, expect] of REFUSALS) await t.post(path, json, { expect });
  await t.post(`${t.object()}/visits/query`, { timeRange: { from: "2013-01-01T00:00:00Z" } }, { expect: "400 ambiguous_time_field" });
  await t.post(`${t.object()}/none/query`, {}, { expect: "404 unknown_collection" });
  await t.post(`${path}?limit=1`, {}, { expect: "400 unknown_parameter" });
  await t.request("POST", path, { ndjson: "{}", expect: "415 unsupported_media_type" });
  const fields = ["number", "carrier", "delay", "distance", "tail", "cancelled", "day", "at"];
  for (const [json, expect] of [
    [{ where: nested(31) }, 200],
    [{ where: nested(32) }, "413 filter_too_deep"],
    // A branch counts as much as the condition in it, and the list counts too.
    [{ where: either(499) }, 200],
    [{ where: either(500) }, "413 filter_too_large"],
    [{ where: { number: { in: list(10_000) } } }, 200],
    [{ where: { number: { in: list(10_001) } } }, "413 list_too_long"],
    [{ where: { carrier: { like: "x".repeat(1_024) } } }, 200],
    [{ where: { carrier: { like: "x".repeat(1_025) } } }, "413 pattern_too_long"],
    [{ orderBy: fields }, 200],
    [{ orderBy: [...fields, "key"] }, "413 list_too_long"],
    [{ limit: 10_000 }, 200],
  ]) await t.post(path, json, { expect });
  await caughtUp(t, path);
}

async function caughtUp(t, path) {
  const { offset } = (await t.post(path, {}, { expect: 200 })).json();
  await t.post(path, { atLeast: offset }, { expect: 200 });
  await t.post(path, { atLeast: `${offset.slice(0, -4)}9999` }, { expect: "503 not_caught_up" });
}
