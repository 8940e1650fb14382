// Followers of a log while it is written and its object is torn down; and one that does not read.

import { SHELF, actorOf, insist, range } from "./checks.mjs";

const ROUNDS = 6;
const TURNS = 10;
const ROWS = 3;
const EVENTS = ROUNDS * TURNS * ROWS;

/** Turns of a few rows, with an eviction in the middle of each round. */
async function write(workers, id, from) {
  for (let turn = from; turn < ROUNDS * TURNS; turn += 1) {
    const rows = range(1, ROWS).map((row) => ({ id: `${turn} ${row}`, text: "followed" }));
    await insist(workers, id, rows, `turn ${turn}`);
    if (turn % TURNS === TURNS / 2) await workers.test("evict", actorOf(id));
  }
}

async function throughEvictions(workers, checks) {
  const id = "followed";
  await insist(workers, id, range(1, ROWS).map((row) => ({ id: `0 ${row}`, text: "followed" })), "turn 0");
  const asked = { type: SHELF.type, id, offset: "-1", limit: 7, until: EVENTS };
  const followers = ["subscribe", "follow", "resume"].map((scenario) => workers.ask(scenario, { ...asked, through: "service" }));
  await write(workers, id, 1);
  const [subscribed, called, resumed] = await Promise.all(followers);
  checks.equal("subscribe: every event once, in order", subscribed.sequences, range(1, EVENTS));
  checks.equal("follow: every event once, in order", called.sequences, range(1, EVENTS));
  checks.that("follow gives the offset to go on from", typeof called.next === "string", called);
  checks.equal("the stub's own stream, resumed: every event once, in order", resumed.sequences, range(1, EVENTS));
  const made = await workers.test("made", actorOf(id));
  checks.that(`the object was evicted ${ROUNDS} times`, made > ROUNDS, made);
}

async function fromNow(workers, checks) {
  const seen = await workers.ask("fromNow", { through: "service", type: SHELF.type, id: "from now" });
  checks.equal("from now on: every event once, in order", seen.sequences, range(seen.before + 1, seen.before + 3));
}

/** Pages that a reader has not asked for may wait in a few buffers on the way, not all of them. */
async function slow(workers, checks) {
  const [id, pages, limit] = ["slow", 60, 5];
  for (const page of range(1, pages)) {
    const rows = range(1, limit).map((row) => ({ id: `${page} ${row}`, text: "s".repeat(20_000) }));
    await insist(workers, id, rows, `page ${page}`);
  }
  const seen = await workers.ask("slow", { through: "service", type: SHELF.type, id, limit, until: pages * limit });
  console.log(`consumer: a reader that stopped after 1 page of 100 kB made the object read ${seen.made} of ${pages}`);
  checks.that("a slow reader's pages are not all made", seen.made >= 1 && seen.made <= pages / 4, seen.made);
  checks.equal("it misses nothing", seen.sequences, range(1, pages * limit));
}

export async function followers(workers, checks) {
  await throughEvictions(workers, checks);
  await fromNow(workers, checks);
  await slow(workers, checks);
}
