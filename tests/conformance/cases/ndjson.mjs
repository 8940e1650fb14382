// NDJSON: a series of turns, resumed by key and by line, ended by a bad line.

export const name = "ndjson";
export const evicted = true;

const LINE_BYTES_MAX = 4_000_000;

const line = (at, more = {}) => JSON.stringify({ sku: `s${String(at).padStart(5, "0")}`, at, ...more });
const lines = (from, to) => Array.from({ length: to - from }, (_, at) => line(from + at)).join("\n");

export async function run(t) {
  await t.register('[collections.items]\nkey = ["sku"]\n[collections.items.fields]\nsku = { type = "string", required = true }\nat = { type = "int" }\ntext = { type = "string" }\n');
  await turns(t);
  await resumed(t);
  await badLines(t);
  await longLines(t);
  await refusals(t);
}

async function turns(t) {
  const items = `${t.object()}/items`;
  await t.request("POST", items, { ndjson: `${lines(0, 2_500)}\n`, expect: 200 });
  await t.request("POST", items, { ndjson: `\n${line(3_000)}\r\n\n  \n${line(3_001)}`, expect: 200 });
  await t.request("POST", `${items}?mode=upsert`, { ndjson: lines(2_400, 2_600), headers: { "content-type": "application/jsonl" }, expect: 200 });
  await t.request("POST", items, { ndjson: "", expect: 200 });
  const chunks = Array.from({ length: 100 }, (_, at) => `${line(10_000 + at)}\n`).flatMap((text) => [text.slice(0, 7), text.slice(7)]);
  await t.request("POST", items, { ndjson: chunks, expect: 200 });
  const query = { aggregate: { rows: { count: "*" }, least: { min: "at" }, greatest: { max: "at" }, sum: { sum: "at" } } };
  await t.post(`${items}/query`, query, { expect: 200 });
}

async function resumed(t) {
  const items = `${t.object("resumed")}/items`;
  const headers = { "idempotency-key": "import" };
  const whole = lines(0, 2_200).split("\n");
  const broken = [...whole.slice(0, 1_500), "{oops", ...whole.slice(1_501)].join("\n");
  await t.request("POST", items, { ndjson: broken, headers, expect: 200 });
  await t.request("POST", items, { ndjson: whole.join("\n"), headers, expect: 200 });
  await t.request("POST", items, { ndjson: whole.join("\n"), headers, expect: 200 });
  await t.request("POST", `${items}?firstLine=2001`, { ndjson: whole.slice(2_000).join("\n"), headers, expect: 200 });
  await t.request("POST", `${items}?firstLine=2201`, { ndjson: lines(2_200, 2_300), expect: 200 });
  await t.request("POST", items, { ndjson: lines(0, 1_000).replace('"at":7}', '"at":8}'), headers, expect: 200 });
  await t.post(`${items}/query`, { aggregate: { rows: { count: "*" } } }, { expect: 200 });
}

async function badLines(t) {
  const items = `${t.object("bad")}/items`;
  const first = `${line(0)}\n${line(1)}\n`;
  for (const bad of ["7", "[]", "{", '{"sku":"a","sku":"b"}', '{"sku":1}', line(0), '{"at":1}', '{"sku":"x","_y":1}', `{"sku":"x","y":${"[".repeat(40)}${"]".repeat(40)}}`]) {
    await t.request("POST", items, { ndjson: `${first}${bad}\n${line(2)}\n`, expect: 200 });
  }
  await t.request("POST", items, { body: Buffer.from('{"sku":"\xff"}\n', "latin1"), headers: { "content-type": "application/x-ndjson" }, expect: 200 });
  await t.get(`${items}/s00000`, { expect: "404 unknown_object" });
  await t.request("POST", items, { ndjson: `${lines(0, 1_999)}\n{oops\n`, expect: 200 });
  await t.get(`${items}/s00999`, { expect: 200 });
  await t.get(`${items}/s01000`, { expect: "404 unknown_document" });
}

async function longLines(t) {
  const items = `${t.object("long")}/items`;
  const padded = (sku, bytes) => JSON.stringify({ sku }).padEnd(bytes, " ");
  t.note("turns end after 2 MB of lines too");
  const large = Array.from({ length: 5 }, (_, at) => line(at, { text: "x".repeat(900_000) })).join("\n");
  await t.request("POST", items, { ndjson: large, expect: 200 });
  await t.request("POST", items, { ndjson: padded("full", LINE_BYTES_MAX), expect: 200 });
  await t.request("POST", items, { ndjson: padded("over", LINE_BYTES_MAX + 1), expect: 200 });
  await t.post(`${items}/query`, { select: ["sku"] }, { expect: 200 });
}

async function refusals(t) {
  const items = `${t.object()}/items`;
  const ndjson = line(9);
  await t.refused([
    ["POST", `${items}?firstLine=0`, { ndjson }, "400 invalid_parameter"],
    ["POST", `${items}?firstLine=x`, { ndjson }, "400 invalid_parameter"],
    ["POST", `${items}?mode=none`, { ndjson }, "400 invalid_parameter"],
    ["POST", `${t.object()}/none`, { ndjson }, 200],
    ["POST", `/v1/objects/${t.type}_none/one/items`, { ndjson }, 200],
  ]);
}
