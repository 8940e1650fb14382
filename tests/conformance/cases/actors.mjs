// Custom actors: the rooms and calendars of examples/rooms. Messages, refusals, alarms, messages between
// objects, on_change. Both hosts run the example: the binary `rooms`, and the Worker of `tests/run`.

import { readFile } from "node:fs/promises";

import { Unmet } from "../tester.mjs";

export const name = "actors";
export const evicted = true;

const EXAMPLE = new URL("../../../examples/rooms/", import.meta.url);
const SETTLE_MILLIS = 60_000;

export async function run(t) {
  for (const type of ["room", "person"]) {
    const toml = await readFile(new URL(`${type}.toml`, EXAMPLE), "utf8");
    await t.quietly("PUT", `/v1/types/${type}`, { toml });
  }
  t.types = ["room", "person"];
  const house = new House(t, `${t.type}-`);
  await house.bookings();
  await house.refusals();
  await house.holds();
  await house.calendars();
  await house.failures();
}

class House {
  constructor(t, prefix) {
    this.t = t;
    this.prefix = prefix;
    this.room = `/v1/objects/room/${prefix}4a`;
  }

  message(name, body, options) {
    // Where the log stands depends on when `on_change` had its turns.
    return this.t.post(`${this.room}/messages/${name}`, body, { hidden: ["stream-next-offset"], ...options });
  }

  hours(from, to, by = "ada") {
    return { day: "2026-11-21", from, to, by: this.prefix + by };
  }

  async bookings() {
    const { t } = this;
    await t.get(`${this.room}/state`, { expect: "404 unknown_object" });
    await this.message("cancel", { id: "none" }, { expect: "404 room.no_booking" });
    await t.get(`${this.room}/state`, { expect: "404 unknown_object" });
    const headers = { "idempotency-key": "first", "x-source": "desk", "x-correlation-id": "c1" };
    this.first = (await this.message("book", this.hours(9, 11), { expect: 200, headers })).json();
    await this.message("book", this.hours(9, 11), { expect: 200, headers });
    await this.message("book", this.hours(9, 12), { expect: "409 idempotency_key_reused", headers });
    await this.message("book", this.hours(10, 12, "bob"), { expect: "409 room.taken" });
    await this.message("book", this.hours(11, 12, "bob"), { expect: 200 });
  }

  async refusals() {
    const { t, room } = this;
    const messages = `${room}/messages`;
    await t.refused([
      ["POST", `${messages}/bok`, { json: {} }, "404 unknown_message"],
      ["POST", `${messages}/book`, { json: { day: "2026-11-21", from: "9" } }, "400 invalid_message"],
      ["POST", `${messages}/book`, { json: [] }, "400 invalid_message"],
      ["POST", `${messages}/book`, {}, "400 invalid_message"],
      ["POST", `${messages}/book`, { json: this.hours(9, 9) }, "400 room.no_hours"],
      ["POST", `${messages}/book`, { json: this.hours(20, 21, "no/body") }, "400 invalid_object_id"],
      ["POST", `${messages}/book`, { json: this.hours(20, 21, "x".repeat(300_000)) }, "413 message_too_large"],
      ["POST", `${messages}/book?mode=x`, { json: {} }, "400 unknown_parameter"],
      ["GET", `${messages}/book`, {}, "405 method_not_allowed"],
      ["POST", messages, { json: {} }, "404 unknown_route"],
      ["POST", "/v1/objects/nothing_of_the_kind/1/messages/book", { json: {} }, "404 unknown_type"],
    ]);
    await t.register("[collections.notes]\n");
    await t.post(`${t.object()}/messages/book`, {}, { expect: "404 unknown_message" });
    await t.get(`${t.object()}/state`, { expect: "404 unknown_object" });
  }

  async holds() {
    const held = (await this.message("hold", { ...this.hours(14, 15), seconds: 600 }, { expect: 200 })).json();
    await this.message("book", this.hours(14, 16, "bob"), { expect: "409 room.taken" });
    await this.message("confirm", held, { expect: 200 });
    await this.message("confirm", held, { expect: "404 room.no_hold" });
    await this.message("hold", { ...this.hours(17, 18), seconds: 1 }, { expect: 200 });
    await this.until("the hold is over", "room/4a", "holds", (rows) => rows.length === 0);
    await this.message("book", this.hours(17, 18, "bob"), { expect: 200 });
    await this.message("cancel", this.first, { expect: 200 });
  }

  async calendars() {
    const entry = ({ room, day, from, to }) => ({ room, day, from, to });
    for (const [person, count] of [["ada", 1], ["bob", 2]]) {
      const rows = await this.until(`${person}'s calendar`, `person/${person}`, "calendar", (all) => all.length === count);
      const entries = JSON.stringify(rows.map(entry).sort((a, b) => a.from - b.from));
      const wanted = person === "ada" ? [[14, 15]] : [[11, 12], [17, 18]];
      const room = `${this.prefix}4a`;
      const expected = JSON.stringify(wanted.map(([from, to]) => ({ room, day: "2026-11-21", from, to })));
      this.t.check(`${person}'s calendar is ${expected}, not ${entries}`, entries === expected);
    }
    await this.until("the hours are counted", "room/4a", "usage", ([one]) => one?.bookings === 3 && one.hours === 3);
    const state = await this.state((found) => found.outbox.waiting === 0);
    this.t.check(`nothing failed: ${JSON.stringify(state.failedMessages)}`, state.failedMessages.length === 0);
    const events = await this.events();
    const causes = new Set(events.map((event) => event.turn.cause?.replace(/^alarm:.*/, "alarm")));
    const wanted = ["message:book", "message:hold", "message:confirm", "message:cancel", "alarm", "changes"];
    this.t.check(`causes: ${[...causes]}`, wanted.every((cause) => causes.has(cause)) && causes.size === wanted.length);
    const [{ source, correlationId }] = events;
    this.t.check(`labels: ${source} ${correlationId}`, source === "desk" && correlationId === "c1");
  }

  /** A person that refuses: the message is kept with the reason, and those behind it go on. */
  async failures() {
    const { t } = this;
    const person = `/v1/objects/person/${this.prefix}eve`;
    const booked = (await this.message("book", this.hours(1, 2, "eve"), { expect: 200 })).json();
    await this.until("the invitation", "person/eve", "calendar", (rows) => rows.length === 1);
    await t.delete(`${person}/calendar/${booked.id}`, { expect: 200, hidden: ["stream-next-offset"] });
    await this.message("cancel", booked, { expect: 200 });
    await this.message("book", this.hours(1, 2, "eve"), { expect: 200 });
    await this.until("the next invitation", "person/eve", "calendar", (rows) => rows.length === 1);
    const state = await this.state((found) => found.outbox.waiting === 0);
    const kept = state.failedMessages.map(({ to, message, code, body }) => [to, message, code, body.id === booked.id]);
    const wanted = [[`person/${this.prefix}eve`, "released", "unknown_document", true]];
    t.check(`failed: ${JSON.stringify(kept)}`, JSON.stringify(kept) === JSON.stringify(wanted));
  }

  async events() {
    const answer = await this.t.quietly("GET", `${this.room}/changes?offset=-1&limit=1000`);
    return answer.json();
  }

  /** The rows of a collection, once they are as wanted. What happens by itself has no place in the transcript. */
  async until(what, object, collection, wanted) {
    const [type, id] = object.split("/");
    const path = `/v1/objects/${type}/${this.prefix}${id}/${collection}/query`;
    return await this.#poll(what, async () => {
      const answer = await this.t.quietly("POST", path, { json: {} });
      const rows = answer.status === 200 ? answer.json().rows : [];
      return wanted(rows) ? rows : undefined;
    });
  }

  async state(wanted) {
    return await this.#poll("the state", async () => {
      const state = (await this.t.quietly("GET", `${this.room}/state`)).json();
      return wanted(state) ? state : undefined;
    });
  }

  async #poll(what, look) {
    for (const deadline = Date.now() + SETTLE_MILLIS; ; ) {
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > deadline) throw new Unmet(`${what} does not come`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
