// WebSocket readers, through the front Worker.

import { once } from "node:events";

import { actorOf, insist, objectPath, range } from "./checks.mjs";

const UNACKNOWLEDGED_MAX = 8;
/** workerd lets an object sleep after 10 s without a request. */
const SLEEPS_AFTER_MILLIS = 12_000;

const DEADLINE_MILLIS = 60_000;

class Reader {
  pages = [];
  others = [];
  closed;
  #socket;
  #waiting = new Set();

  static async open(workers, id, query) {
    const answer = await workers.socket(`${objectPath(id)}/changes?live=websocket&${query}`);
    if (!answer.webSocket) throw new Error(`${answer.status} ${await answer.text()}`);
    const reader = new Reader();
    reader.#socket = answer.webSocket;
    answer.webSocket.addEventListener("message", ({ data }) => reader.#take(String(data)));
    answer.webSocket.addEventListener("close", ({ code, reason }) => reader.#end({ code, reason }));
    answer.webSocket.accept();
    return reader;
  }

  get sequences() {
    return this.pages.flatMap((page) => page.events.map((event) => event.sequence));
  }

  get offset() {
    return this.pages.at(-1).nextOffset;
  }

  #take(data) {
    const message = data === "pong" ? { pong: true } : JSON.parse(data);
    (message.events ? this.pages : this.others).push(message);
    this.#tell();
  }

  #end(closed) {
    this.closed = closed;
    this.#tell();
  }

  #tell() {
    for (const tell of this.#waiting) tell();
    this.#waiting.clear();
  }

  /** Waits for a condition, the socket's end, or the deadline: the check that follows says which. */
  async until(condition) {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#tell();
    }, DEADLINE_MILLIS);
    while (!condition() && !this.closed && !late) await new Promise((resolve) => this.#waiting.add(resolve));
    clearTimeout(timer);
  }

  say(message) {
    this.#socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  acknowledge() {
    this.say({ ack: this.offset });
  }
}

const one = (n) => [{ id: String(n).padStart(3, "0"), text: "socket" }];

async function write(workers, id, first, last) {
  for (const n of range(first, last)) await insist(workers, id, one(n), `row ${n}`);
}

async function acknowledged(workers, checks) {
  const id = "socket";
  await write(workers, id, 1, 12);
  const reader = await Reader.open(workers, id, "offset=-1&limit=1");
  await reader.until(() => reader.pages.length >= UNACKNOWLEDGED_MAX);
  await write(workers, id, 13, 14);
  reader.say({ ack: reader.pages[0].nextOffset });
  await reader.until(() => reader.pages.length > UNACKNOWLEDGED_MAX);
  reader.say("ping");
  await reader.until(() => reader.others.length > 0);
  checks.equal("an acknowledgement brings one page more, and no other was sent", reader.sequences, range(1, 9));
  reader.acknowledge();
  await reader.until(() => reader.sequences.includes(14));
  checks.equal("all acknowledged: the rest comes", reader.sequences, range(1, 14));
  reader.acknowledge();
  await write(workers, id, 15, 16);
  await reader.until(() => reader.sequences.includes(16));
  checks.equal("and what is new", reader.sequences, range(1, 16));
  return reader;
}

/** The object goes and comes; its socket stays. */
async function asleep(workers, checks, id, reader) {
  const before = await workers.test("made", actorOf(id));
  let made = before;
  let next = 17;
  for (let tries = 0; tries < 4 && made === before && !reader.closed; tries += 1, next += 1) {
    reader.acknowledge();
    await new Promise((resolve) => setTimeout(resolve, SLEEPS_AFTER_MILLIS));
    await write(workers, id, next, next);
    made = await workers.test("made", actorOf(id));
  }
  checks.that("the object slept and was made again", made > before, { before, made });
  await reader.until(() => reader.sequences.includes(next - 1));
  checks.equal("its socket goes on where it was", reader.sequences, range(1, next - 1));
  reader.acknowledge();
  await write(workers, id, next, next);
  await reader.until(() => reader.sequences.includes(next));
  checks.equal("and takes acknowledgements", [reader.closed, reader.sequences.at(-1)], [undefined, next]);
  return next;
}

/** An object that is reset takes its sockets with it; the reader goes on with its last offset. */
async function reset(workers, checks, id, reader, head) {
  await workers.test("evict", actorOf(id));
  await reader.until(() => false);
  checks.that("a reset closes the socket", reader.closed !== undefined, reader.closed);
  const again = await Reader.open(workers, id, `offset=${reader.offset}`);
  await write(workers, id, head + 1, head + 2);
  await again.until(() => again.sequences.includes(head + 2));
  checks.equal("the next socket goes on at the last offset", again.sequences, [head + 1, head + 2]);
  again.say({ nonsense: 1 });
  await again.until(() => false);
  checks.equal("nonsense is told, and ends it", [again.others[0]?.error?.code, again.closed?.code], ["invalid_body", 1008]);
}

async function refusals(workers, checks, id) {
  const refused = await workers.socket(`${objectPath(id)}/changes?live=websocket`);
  checks.equal("a reader says where it starts", [refused.status, (await refused.json()).code], [400, "invalid_parameter"]);
  const nobody = await workers.socket(`${objectPath(`${id} never written`)}/changes?live=websocket&offset=-1`);
  checks.that("there is an object to follow", nobody.status === 404 || nobody.webSocket !== null, nobody.status);
  if (nobody.webSocket) {
    nobody.webSocket.accept();
    const [{ data }] = await once(nobody.webSocket, "message");
    checks.equal("or its reader is told", JSON.parse(data).error?.code, "unknown_object");
  }
}

export async function sockets(workers, checks) {
  const id = "socket";
  const reader = await acknowledged(workers, checks);
  const head = await asleep(workers, checks, id, reader);
  await reset(workers, checks, id, reader, head);
  await refusals(workers, checks, id);
}
