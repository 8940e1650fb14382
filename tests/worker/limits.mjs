// What one isolate must bear: the bundle's size, start-up, and an import of 100,000 rows that is queried
// and flushed within the memory and the CPU time that Cloudflare gives. Fails above a limit; prints figures.
//
//   node tests/worker/limits.mjs        the last line is `N passed, N failed`

import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { WorkerHost } from "../conformance/hosts/worker.mjs";

const WASM = fileURLToPath(new URL("../../crates/worker/build/tidelog_bg.wasm", import.meta.url));
const ROWS = 100_000;
const LARGE_ROWS = 260;
const BUNDLE_BYTES_MAX = 3 * 1024 * 1024;
const MEMORY_BYTES_MAX = 80_000_000;
const STEP_CPU_SECONDS_MAX = 10;
/// What Cloudflare gives a Worker's global scope.
const STARTUP_CPU_MILLIS_MAX = 1_000;
const CLOCK_TICKS = 100;

const SCHEMA = `type = "building"
[collections.readings]
key = ["sensor", "at"]
[collections.readings.fields]
sensor = { type = "string", required = true }
at = { type = "timestamp", required = true }
celsius = { type = "float", required = true }
humidity = { type = "float" }
floor = { type = "int" }
room = { type = "string" }
note = { type = "string" }
[[collections.readings.indexes]]
fields = ["floor"]
[collections.readings.cold]
enabled = true
partition_by = [{ field = "at", transform = "day" }]
`;

let [passed, failed] = [0, 0];

function check(what, value, max, unit) {
  const fits = value <= max;
  if (fits) passed += 1;
  else failed += 1;
  console.log(`${fits ? "" : "FAILED: "}${what}: ${value} ${unit}, at most ${max}`);
}

function holds(what, truth) {
  if (truth) passed += 1;
  else failed += 1;
  console.log(`${truth ? "" : "FAILED: "}${what}`);
}

/// CPU time of the workerd process that this process started, seconds.
async function cpuSeconds() {
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (stat.includes("(workerd)") && Number(fields[1]) === process.pid) {
      return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
    }
  }
  throw new Error("there is no workerd process");
}

function reading(number) {
  const at = new Date(Date.UTC(2026, 0, 1) + number * 60_000).toISOString();
  return JSON.stringify({
    sensor: `sensor-${number % 250}`, at, celsius: 15 + ((number * 7) % 1000) / 100, humidity: (number % 97) / 97,
    floor: number % 12, room: `room ${number % 60}`, note: number % 10 === 0 ? `calibrated by hand, run ${number}` : null,
  });
}

async function startUp() {
  const folder = await mkdtemp(join(tmpdir(), "tidelog-limits-"));
  const empty = join(folder, "empty.mjs");
  const classes = ["TidelogObject", "TidelogTable", "TidelogCatalog", "TidelogRegistry"];
  const objects = classes.map((name) => `export class ${name} extends DurableObject {}`).join("\n");
  await writeFile(empty, `import { DurableObject } from "cloudflare:workers";\n${objects}\nexport default { fetch: () => new Response("ok") };\n`);
  const seconds = [];
  for (const entry of [empty, undefined]) {
    const host = await WorkerHost.start({ entry });
    await (await fetch(`${host.url}/healthz`)).text();
    seconds.push(await cpuSeconds());
    await host.stop();
  }
  await rm(folder, { recursive: true });
  return Math.round((seconds[1] - seconds[0]) * 1_000);
}

async function main() {
  const startup = await startUp();
  check("start-up (compiling the module and the first answer, above an empty Worker)", startup, STARTUP_CPU_MILLIS_MAX, "ms CPU");
  const folder = await mkdtemp(join(tmpdir(), "tidelog-limits-"));
  // Nothing is pushed or flushed before the step that asks for it.
  const bindings = { TIDELOG_PUSH_MILLIS: "3600000", TIDELOG_FLUSH_MILLIS: "3600000" };
  const host = await WorkerHost.start({ folder, bindings });
  try {
    let bytes = 0;
    for (const file of [join(folder, "worker.mjs"), WASM]) {
      bytes += gzipSync(await readFile(file), { level: 9 }).length;
    }
    check("the bundle", bytes, BUNDLE_BYTES_MAX, "bytes gzipped");
    await steps(host);
  } finally {
    await host.stop();
    await rm(folder, { recursive: true, force: true });
  }
  await parts();
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

/// A data file that is larger than one put may be goes up in parts and comes back whole.
async function parts() {
  const bindings = { TIDELOG_PUSH_MILLIS: "3600000", TIDELOG_FLUSH_MILLIS: "3600000", TIDELOG_FLUSH_BYTES: "64000000" };
  const host = await WorkerHost.start({ bindings });
  try {
    const object = `${host.url}/v1/objects/blobs/one`;
    const schema = 'type = "blobs"\n[collections.items]\nkey = ["id"]\n[collections.items.fields]\nid = { type = "int", required = true }\nbody = { type = "string" }\n[collections.items.cold]\nenabled = true\n';
    await ask("PUT", `${host.url}/v1/types/blobs`, schema, { "content-type": "application/toml" });
    const document = (id) => JSON.stringify({ id, body: randomBytes(75_000).toString("base64") });
    const lines = Array.from({ length: LARGE_ROWS }, (_, id) => document(id)).join("\n");
    await ask("POST", `${object}/items`, lines, { "content-type": "application/x-ndjson" });
    const state = JSON.parse(await ask("POST", `${object}/sync`, '{"tier":"cold"}'));
    check("large events that are not in the lake", LARGE_ROWS - state.lake[0].committed, 0, "events");
    const largest = await host.largestBlob();
    holds(`a data file of ${largest.size} bytes is more than one put takes`, largest.size > 16 * 1024 * 1024);
    holds(`it went up in parts: etag ${largest.etag}`, /-\d+$/.test(largest.etag));
  } finally {
    await host.stop();
  }
}

const JSON_TYPE = { "content-type": "application/json" };

async function ask(method, url, body, headers = JSON_TYPE) {
  const answer = await fetch(url, { method, body, headers });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text.slice(0, 500)}`);
  return text;
}

async function steps(host) {
  const object = `${host.url}/v1/objects/building/one`;
  const step = async (what, act) => {
    const before = await cpuSeconds();
    const started = Date.now();
    const result = await act();
    const [cpu, wall] = [(await cpuSeconds()) - before, Date.now() - started];
    const state = JSON.parse(await ask("GET", `${object}/state`));
    check(`${what} (${wall} ms)`, Number(cpu.toFixed(2)), STEP_CPU_SECONDS_MAX, "s CPU");
    check(`memory after ${what}`, state.memory.wasmBytes, MEMORY_BYTES_MAX, "bytes");
    return [result, state];
  };
  await ask("PUT", `${host.url}/v1/types/building`, SCHEMA, { "content-type": "application/toml" });
  const lines = Array.from({ length: ROWS }, (_, number) => reading(number)).join("\n");
  const [reply] = await step(`an import of ${ROWS} rows`, () =>
    ask("POST", `${object}/readings`, lines, { "content-type": "application/x-ndjson" }),
  );
  const last = JSON.parse(reply.trimEnd().split("\n").at(-1));
  check("rows that were not imported", ROWS - (last.rows ?? 0), 0, "rows");
  const query = (body) => ask("POST", `${object}/readings/query`, JSON.stringify(body));
  await step("a query that groups all rows", () =>
    query({ groupBy: ["floor"], aggregate: { n: { count: "*" }, warmest: { max: "celsius" } } }),
  );
  await step("a page of 10,000 rows", () => query({ limit: 10_000, orderBy: ["-celsius"] }));
  const [, state] = await step("flushes of everything", () => ask("POST", `${object}/sync`, '{"tier":"cold"}'));
  check("events that are not in the lake", ROWS - (state.lake[0]?.committed ?? 0), 0, "events");
}

await main();
