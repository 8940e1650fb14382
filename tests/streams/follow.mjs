// The public Durable Streams client follows one object's log from its start and then live, by
// long-poll and by server-sent events, while rows are written and the server is killed (SIGKILL)
// and started again. Every event must reach each follower exactly once, in order.
// TIDELOG_STREAMS_ROUNDS: how often to kill (5). The last line is `N passed, N failed`.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { stream } from "@durable-streams/client";

import { Server } from "./server.mjs";

const ROUNDS = Number(process.env.TIDELOG_STREAMS_ROUNDS ?? 5);
const ROWS_BEFORE = 1_000;
const ROWS_BETWEEN_KILLS = 200;
const DEADLINE_MILLIS = 60_000;
const MODES = ["long-poll", "sse"];
const BACKOFF = { initialDelay: 20, maxDelay: 250, multiplier: 1.5 };

const data = await mkdtemp(join(tmpdir(), "tidelog-streams-"));
const server = new Server(process.env.TIDELOG_BIN, data);
let passed = 0;
let failed = 0;

function check(what, holds, detail = "") {
  if (holds) {
    passed += 1;
  } else {
    failed += 1;
    console.log(`FAILED: ${what}${detail && `: ${detail}`}`);
  }
}

function flight(number) {
  const hour = new Date(Date.UTC(2013, 0, 1) + number * 3_600_000);
  return {
    year: 2013, month: 1, day: 1, sched_dep_time: 600, sched_arr_time: 900, carrier: "B6",
    flight: 1 + (number % 9_999), origin: "JFK", dest: "BOS", distance: 187, hour: 6, minute: 0,
    time_hour: hour.toISOString().replace(".000", ""),
  };
}

/** Lets other work go on between two tries. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 20));

/** Waits for a condition; false when it does not come in time. */
async function until(condition, millis = DEADLINE_MILLIS) {
  const deadline = Date.now() + millis;
  while (!condition()) {
    if (Date.now() > deadline) return false;
    await turn();
  }
  return true;
}

class Refused extends Error {}

/** Posts rows until the server says yes: the key makes the repeats of one request harmless. */
async function insert(rows, key) {
  const deadline = Date.now() + DEADLINE_MILLIS;
  const request = {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(rows),
  };
  for (;;) {
    try {
      const answer = await fetch(`${server.url}/v1/objects/airport/JFK/flights`, request);
      const body = await answer.text();
      if (answer.ok) return;
      if (answer.status < 500) throw new Refused(`${answer.status}: ${body}`);
    } catch (error) {
      if (error instanceof Refused) throw error;
    }
    if (Date.now() > deadline) throw new Error(`no answer to ${key}`);
    await turn();
  }
}

/** Writes small batches one after the other until told to stop. */
class Writer {
  written = 0;
  #stopping = false;
  #done;

  start() {
    this.#done = this.#run();
    this.#done.catch(() => {}); // seen in stop()
  }

  async #run() {
    while (!this.#stopping) await this.batch(1 + (this.written % 13));
  }

  async batch(count) {
    const rows = Array.from({ length: count }, (_, at) => flight(this.written + at));
    await insert(rows, `rows-${this.written}`);
    this.written += count;
  }

  async stop() {
    this.#stopping = true;
    await this.#done;
  }
}

/** A reader as an application writes one: it keeps the offset of the last batch it has handled. */
class Follower {
  events = [];
  resumed = 0;
  #offset = "-1";
  #stop = new AbortController();
  #done;

  constructor(mode) {
    this.mode = mode;
    this.#done = this.#run();
  }

  async #run() {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#follow();
      } catch (error) {
        this.error = error;
      }
      if (this.#stop.signal.aborted) return;
      this.resumed += 1; // the connection broke: go on from the offset we hold
      await turn();
    }
  }

  async #follow() {
    const answer = await stream({
      url: changesUrl(), offset: this.#offset, live: this.mode, json: true,
      signal: this.#stop.signal, backoffOptions: BACKOFF, warnOnHttp: false,
      sseResilience: { maxShortConnections: Number.MAX_SAFE_INTEGER, logWarnings: false },
    });
    answer.subscribeJson((batch) => {
      this.events.push(...batch.items);
      this.#offset = batch.offset;
    });
    await answer.closed;
  }

  async stop() {
    this.#stop.abort();
    await this.#done;
  }
}

function changesUrl() {
  return `${server.url}/v1/objects/airport/JFK/changes`;
}

/** The whole log, page by page with plain requests. */
async function wholeLog() {
  const events = [];
  for (let offset = "-1"; ; ) {
    const answer = await fetch(`${changesUrl()}?offset=${offset}`);
    if (!answer.ok) throw new Refused(`${answer.status}: ${await answer.text()}`);
    events.push(...(await answer.json()));
    if (answer.headers.get("stream-up-to-date") === "true") return events;
    const next = answer.headers.get("stream-next-offset");
    if (next === offset) throw new Error(`the log stands still at ${offset}`);
    offset = next;
  }
}

async function killsWhileFollowed(writer, followers) {
  for (let round = 1; round <= ROUNDS; round += 1) {
    const goal = writer.written + ROWS_BETWEEN_KILLS;
    const reached = () => writer.written >= goal && followers.every((f) => f.events.length >= goal - ROWS_BETWEEN_KILLS);
    check(`round ${round}: writes and reads go on`, await until(reached), progress(writer, followers));
    await server.kill();
    await server.start();
  }
}

function progress(writer, followers) {
  const seen = followers.map((f) => `${f.mode} ${f.events.length} events, resumed ${f.resumed} times, last error ${f.error?.message ?? "none"}`);
  return [`${writer.written} rows written`, ...seen].join("; ");
}

function checkLog(log, writer) {
  check("the log has a row for each acknowledged write", log.length === writer.written, `${log.length} events, ${writer.written} rows`);
  check("sequences run from 1 without a gap", log.every((event, at) => event.sequence === at + 1));
  check("no document was inserted twice", new Set(log.map((event) => event.documentId)).size === log.length);
  check("epochs never fall", log.every((event, at) => at === 0 || event.epoch >= log[at - 1].epoch));
}

function checkFollower(follower, log) {
  const { mode, events } = follower;
  const seen = new Map();
  for (const { id } of events) seen.set(id, (seen.get(id) ?? 0) + 1);
  const missing = log.filter(({ id }) => !seen.has(id)).map(({ sequence }) => sequence);
  const repeated = events.filter(({ id }) => seen.get(id) > 1).map(({ sequence }) => sequence);
  check(`${mode}: no event is missing`, missing.length === 0, missing.slice(0, 20).join(" "));
  check(`${mode}: no event comes twice`, repeated.length === 0, repeated.slice(0, 20).join(" "));
  check(`${mode}: events come in order`, events.every((event, at) => at === 0 || event.sequence > events[at - 1].sequence));
  check(`${mode}: events are those of the log`, JSON.stringify(events) === JSON.stringify(log));
}

async function test() {
  await server.start();
  const schema = await readFile(new URL("../../schemas/airport.toml", import.meta.url));
  const registered = await fetch(`${server.url}/v1/types/airport`, { method: "PUT", headers: { "content-type": "application/toml" }, body: schema });
  check("the type is registered", registered.ok, `${registered.status} ${await registered.text()}`);
  const writer = new Writer();
  await writer.batch(ROWS_BEFORE);
  const followers = MODES.map((mode) => new Follower(mode));
  writer.start();
  await killsWhileFollowed(writer, followers);
  await writer.stop();
  const caughtUp = () => followers.every((f) => f.events.length >= writer.written);
  check("followers reach the head", await until(caughtUp), progress(writer, followers));
  const log = await wholeLog();
  await Promise.all(followers.map((follower) => follower.stop()));
  checkLog(log, writer);
  for (const follower of followers) checkFollower(follower, log);
  console.log(`${ROUNDS} kills; ${progress(writer, followers)}`);
}

try {
  await test();
} catch (error) {
  check("the test runs to its end", false, error.stack);
}
await server.kill();
if (failed > 0) console.log(`the server said:\n${server.output.slice(-40).join("\n")}`);
await rm(data, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
