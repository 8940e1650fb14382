// Thousands of documents at once, past the threshold that every type has: they go straight into blobs,
// and so does what the log keeps of them.

export const name = "folding-bulk";
export const evicted = true;

const TYPE = `
[collections.readings]
key = ["sensor", "number"]
indexes = [{ fields = ["number"], unique = true }]
[collections.readings.fields]
sensor = { type = "string", required = true }
number = { type = "int", required = true }
celsius = { type = "float" }
at = { type = "timestamp" }
note = { type = "string" }
[collections.readings.cold]
partition_by = [{ field = "at", transform = "day" }]
`;

const reading = (number) => ({
  sensor: `sensor-${number % 25}`, number, celsius: 15 + ((number * 7) % 100) / 10, at: new Date(Date.UTC(2026, 0, 1) + number * 60_000).toISOString(),
  ...(number % 10 === 0 ? { note: `run ${number}` } : {}), ...(number % 100 === 0 ? { calibrated: [number] } : {}),
});
const readings = (from, to) => Array.from({ length: to - from }, (_, at) => reading(from + at));
const key = (number) => `sensor-${number % 25}~${number}`;

export async function run(t) {
  t.collections = ["readings"];
  await t.register(TYPE);
  const path = `${t.object()}/readings`;
  const written = (answer) => answer.json().written.filter((_, at) => at % 499 === 0);
  await t.post(path, readings(0, 1_500), { expect: 201, shown: written });
  await t.request("POST", path, { ndjson: readings(1_500, 4_200).map((one) => JSON.stringify(one)).join("\n"), expect: 200 });
  await t.folded("one");
  await reads(t, path);
  await t.post(path, [...readings(5_000, 6_100), reading(1_234)], { expect: "409 duplicate_key" });
  await t.post(path, [...readings(5_000, 6_100), { sensor: "other", number: 77 }], { expect: "409 unique_violation" });
  await changes(t, path);
  await t.folded("one");
  await reads(t, path);
  await log(t);
  await t.settle("one");
  await t.lakeIsLog("readings", "one");
  await t.delete(t.object(), { expect: 200, shown: (answer) => answer.json().documents });
  await t.settle("one");
  await t.lakeIsLog("readings", "one");
}

async function reads(t, path) {
  for (const number of [0, 700, 1_499, 1_500, 4_199]) await t.get(`${path}/${encodeURIComponent(key(number))}`, { expect: 200 });
  await t.get(`${path}/${encodeURIComponent(key(4_200))}`, { expect: "404 unknown_document" });
  const query = (body, shown) => t.post(`${path}/query`, body, { expect: 200, shown });
  await query({ aggregate: { rows: { count: "*" }, sum: { sum: "number" }, warmest: { max: "celsius" }, mean: { avg: "celsius" }, notes: { count: "note" } } });
  await query({ groupBy: ["sensor"], aggregate: { rows: { count: "*" }, mean: { avg: "celsius" } }, orderBy: ["-mean", "sensor"], limit: 7 });
  await query({ groupBy: [{ field: "at", bucket: "hour", as: "hour" }], aggregate: { rows: { count: "*" } }, limit: 5 });
  await query({ where: { number: { between: [1_490, 1_510] } }, orderBy: ["number"] });
  await query({ where: { note: { prefix: "run 41" } }, select: ["note", "celsius"] });
  await query({ where: { _key: { gte: "sensor-3" } }, limit: 3 });
  const ends = (answer) => [answer.json().rows.length, answer.json().rows.at(0), answer.json().rows.at(-1)];
  await query({ orderBy: ["-celsius", "-number"], limit: 2_000 }, ends);
}

async function changes(t, path) {
  for (const number of [3, 1_501, 4_000]) await t.patch(`${path}/${encodeURIComponent(key(number))}`, { celsius: 99.5, note: null }, { expect: 200 });
  for (const number of [0, 4_198]) await t.delete(`${path}/${encodeURIComponent(key(number))}`, { expect: 200 });
  const mutations = Array.from({ length: 700 }, (_, at) => ({ op: "delete", collection: "readings", key: key(1_600 + at) }));
  await t.post(`${t.object()}/batch`, { mutations }, { expect: 200, shown: (answer) => answer.json().written.at(-1) });
  await t.post(path, reading(0), { expect: 201 });
  await t.get(`${path}/${encodeURIComponent(key(0))}`, { expect: 200 });
}

/** The log gives what it was given, in pages that begin and end inside of a bulk. */
async function log(t) {
  const changes = (parameters) => t.get(`${t.object()}/changes?${parameters}`, { expect: 200, shown: (answer) => answer.json().filter((_, at) => at % 97 === 0) });
  const first = await changes("offset=-1&limit=1000");
  const second = await changes(`offset=${first.header("stream-next-offset")}&limit=1000&images=full`);
  await changes(`offset=${second.header("stream-next-offset")}&limit=10`);
  const events = await t.events();
  t.check("no event is missing", events.every((event, at) => event.sequence === at + 1));
  t.note(`${events.length} events; the last: ${JSON.stringify(events.at(-1))}`);
}
