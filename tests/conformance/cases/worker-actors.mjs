// workerd alone: two actors are torn down at every effect boundary of a message from one to the other.
// Nothing acknowledged is lost, nothing is handled twice. And a trap in an alarm puts off that alarm alone.

import { readFile } from "node:fs/promises";

import { Unmet } from "../tester.mjs";

export const name = "worker-actors";
export const only = "worker";
export const millis = 600_000;

const EXAMPLE = new URL("../../../examples/rooms/", import.meta.url);
const TRIES = 100;
const BOUNDARIES_MAX = 200;
const WAIT_MILLIS = 90_000;
const DAY = "2026-11-21";

export async function run(t) {
  for (const type of ["room", "person"]) {
    const toml = await readFile(new URL(`${type}.toml`, EXAMPLE), "utf8");
    await t.quietly("PUT", `/v1/types/${type}`, { toml });
  }
  await overRpc(t);
  await everyBoundary(t, "room");
  await everyBoundary(t, "person");
  await trappedMessage(t);
  await trappedAlarm(t);
}

/** A panic in an actor's message is that message's failure, as on the other host; in a write it is a reset. */
async function trappedMessage(t) {
  const [room, hours] = ["/v1/objects/room/panics", { day: DAY, from: 1, to: 2, by: "ada" }];
  await t.quietly("POST", `${room}/holds`, { json: hours });
  await t.host.test("trap", "default/object/room/panics/0");
  const failed = await t.quietly("POST", `${room}/messages/book`, { json: { ...hours, from: 5, to: 6 } });
  t.check(`a panic of an actor is answered ${failed.status} ${failed.text}`, failed.status === 500 && failed.json().code === "actor_failed");
  t.check("it says why", failed.json().detail.includes("a trap that a test asked for"));
  t.check("nothing of it stays", (await keys(t, "room", "panics", "bookings")).length === 0);
  await t.host.test("trap", "default/object/room/panics/0");
  const reset = await t.quietly("POST", `${room}/holds`, { json: { ...hours, from: 7, to: 8 } });
  t.check(`a panic elsewhere is answered ${reset.status} ${reset.text}`, reset.status === 503 && reset.json().code === "actor_reset");
  await insisting(t, "panics", "book", { ...hours, from: 5, to: 6 }, "again");
}

/** The same messages as typed calls. */
async function overRpc(t) {
  const stub = await t.host.stub("default/object/room/called/0");
  const hours = { day: DAY, from: 1, to: 2, by: "caller" };
  const options = { idempotencyKey: "k", source: "rpc" };
  const booked = await stub.message("book", hours, options);
  t.check("a call books", typeof booked.id === "string");
  t.check("a repeated call is answered", (await stub.message("book", hours, options)).id === booked.id);
  // Miniflare's way into an object loses what an error says; `consumer` looks at the code.
  const refused = await stub.message("book", hours).then(() => false, () => true);
  t.check("an overlap is refused", refused);
  t.check("no reply is null", (await stub.message("cancel", booked)) === null);
}

/** Tears the sender or the receiver down at its first, second, third ... boundary, until the script has no more. */
async function everyBoundary(t, kind) {
  const scripts = [];
  for (let at = 1; ; at += 1) {
    t.check(`the script of the ${kind} ends`, at <= BOUNDARIES_MAX);
    const one = { room: `torn-${kind}-${at}`, person: `torn-${kind}-${at}` };
    const actor = `default/object/${kind}/${one[kind]}/0`;
    await t.host.test("break", actor, `&at=${at}`);
    scripts.push({ ...one, ids: await script(t, one) });
    await delivered(t, one.room);
    const answer = await t.quietly("GET", `/test/passed?actor=${encodeURIComponent(actor)}`);
    await t.host.test("break", actor, "&at=Infinity");
    if (Number(answer.text) < at) break;
  }
  console.log(`worker-actors: ${scripts.length - 1} boundaries of the ${kind}`);
  t.check(`the ${kind} was torn down at all`, scripts.length > 3);
  for (const { room, person, ids } of scripts) {
    const [bookings, calendar] = [await keys(t, "room", room, "bookings"), await keys(t, "person", person, "calendar")];
    t.check(`${room} has each booking once: ${bookings}, not ${ids}`, bookings.join() === ids.join());
    t.check(`${person} has each booking once: ${calendar}, not ${ids}`, calendar.join() === ids.join());
  }
}

/** Three bookings of which one is cancelled; the ids of those that stand. */
async function script(t, { room, person }) {
  const ids = [];
  for (const from of [1, 2, 3]) {
    const hours = { day: DAY, from, to: from + 1, by: person };
    ids.push((await insisting(t, room, "book", hours, `book ${from}`)).id);
  }
  await insisting(t, room, "cancel", { id: ids[1] }, "cancel");
  return [ids[0], ids[2]].sort();
}

/** The outbox is empty and nothing was given up. */
async function delivered(t, room) {
  await until(t, `delivery from ${room}`, async () => {
    const answer = await t.quietly("GET", `/v1/objects/room/${room}/state`);
    if (answer.status !== 200) return false;
    const state = answer.json();
    t.check(`${room}: ${JSON.stringify(state.failedMessages)}`, state.failedMessages.length === 0);
    return state.outbox.waiting === 0;
  });
}

async function trappedAlarm(t) {
  const room = "trapped";
  const held = await insisting(t, room, "hold", { day: DAY, from: 1, to: 2, by: "ada", seconds: 1 }, "hold");
  await t.host.test("trap", `default/object/room/${room}/0`);
  let error;
  await until(t, "the alarm after the trap", async () => {
    const state = (await t.quietly("GET", `/v1/objects/room/${room}/state`)).json();
    error ??= state.wakes?.find((wake) => wake.name === `alarm:${held.id}`)?.error;
    return (await keys(t, "room", room, "holds")).length === 0;
  });
  t.check(`the trap was noted: ${error}`, error?.startsWith("actor_failed"));
}

async function keys(t, type, id, collection) {
  const answer = await t.quietly("POST", `/v1/objects/${type}/${id}/${collection}/query`, { json: {} });
  return answer.status === 200 ? answer.json().rows.map((row) => row._key).sort() : [];
}

/** What a client does whose answer was lost: the same message again, under the same key. */
async function insisting(t, room, message, json, key) {
  let last;
  for (let tries = 0; tries < TRIES; tries += 1) {
    try {
      const path = `/v1/objects/room/${room}/messages/${message}`;
      last = await t.quietly("POST", path, { json, headers: { "idempotency-key": key } });
      if (last.status < 300) return last.json();
      if (last.status < 500) break;
    } catch (error) {
      last = { status: error.code, text: error.message };
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Unmet(`${message} to ${room}: ${last.status} ${last.text}`);
}

async function until(t, what, done) {
  for (const deadline = Date.now() + WAIT_MILLIS; ; ) {
    if (await done().catch(() => false)) return;
    if (Date.now() > deadline) throw new Unmet(`${what} does not come`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
