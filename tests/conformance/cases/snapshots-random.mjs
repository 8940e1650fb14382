// Random histories of writes, snapshots and restores: every state that is brought back is what a model of its
// own says it was. What is asked is the same on both hosts; only what is there at the end is compared.

import { ADMIN_TOKEN } from "../hosts/pace.mjs";

export const name = "snapshots-random";

const SEEDS = [1, 2];
const OPERATIONS = 160;
const COLLECTIONS = ["notes", "marks"];
const KEYS = 30;
const SETTLE_MILLIS = 30_000;
const admin = { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } };

const TYPE = `
[collections.notes]
hot = { vortex_threshold = 8 }
[collections.notes.fields]
id = { type = "string" }
n = { type = "int" }
[collections.marks]
hot = { vortex_threshold = 0 }
[collections.marks.fields]
id = { type = "string" }
n = { type = "int" }
`;

export async function run(t) {
  await t.register(TYPE);
  for (const seed of SEEDS) {
    const history = new History(t, seed);
    for (let at = 0; at < OPERATIONS; at += 1) await history.step();
    t.check(`seed ${seed} restored often: ${history.restores}`, history.restores > 5);
    for (const collection of COLLECTIONS) {
      const query = `${history.object}/${collection}/query`;
      await t.post(query, { select: ["_key", "_version", "n"], limit: 1_000 }, { expect: 200 });
    }
  }
}

/** One object and what is known of it: of every key what it was after which event. */
class History {
  constructor(t, seed) {
    this.t = t;
    this.seed = seed;
    this.chance = generator(seed);
    this.object = t.object(`seed-${seed}`);
    this.head = 0;
    this.offset = "-1";
    this.keys = new Map();
    this.snapshots = [];
    this.restores = 0;
  }

  below(end) {
    return Math.floor(this.chance() * end);
  }

  async step() {
    const kind = this.head === 0 ? 99 : this.below(30);
    if (kind < 2) await this.restore();
    else if (kind < 4) await this.take();
    else await this.write();
  }

  /** One turn: some documents set, some removed, all of it as the model says. */
  async write() {
    const mutations = [];
    const taken = new Set();
    for (let left = 1 + this.below(this.below(6) === 0 ? 12 : 4); left > 0; left -= 1) {
      const collection = COLLECTIONS[this.below(COLLECTIONS.length)];
      const id = `k${String(this.below(KEYS)).padStart(2, "0")}`;
      const place = `${collection}/${id}`;
      if (taken.has(place)) continue;
      taken.add(place);
      const known = this.at(place, this.head);
      if (known !== null && this.below(3) === 0) {
        mutations.push({ op: "delete", collection, key: id });
        this.happened(place, null);
      } else {
        const document = { id, n: this.below(5) };
        mutations.push({ op: "upsert", collection, document });
        if (known?.n !== document.n) this.happened(place, document);
      }
    }
    const answer = await this.ask("POST", "batch", { mutations });
    this.t.check(`a turn of seed ${this.seed}: ${answer.text}`, answer.status === 200);
  }

  async take() {
    const kind = this.snapshots.length === 0 || this.below(3) === 0 ? "full" : "incremental";
    const answer = await this.ask("POST", "snapshots", { kind });
    this.t.check(`a snapshot of seed ${this.seed}: ${answer.text}`, answer.status < 300);
    const { id } = answer.json();
    const taken = await this.settled(`snapshots/${id}`);
    this.t.check(`it is of the present: ${taken.sequence}`, taken.sequence === this.head);
    this.snapshots.push({ id, sequence: taken.sequence });
  }

  async restore() {
    const chosen = this.snapshots[this.below(2 * this.snapshots.length + 1)];
    const sequence = chosen ? chosen.sequence : this.below(this.head + 1);
    const dryRun = this.below(4) === 0;
    const [before, wanted] = [this.state(this.head), this.state(sequence)];
    const body = chosen ? { snapshot: chosen.id, dryRun } : { sequence, dryRun };
    const answer = await this.ask("POST", "restore", body);
    this.t.check(`a restore of seed ${this.seed}: ${answer.text}`, answer.status < 300);
    const done = await this.settled("restore");
    const counts = Object.values(done.differences).flatMap(Object.values);
    const said = counts.reduce((sum, count) => sum + count, 0);
    const differs = [...new Set([...before.keys(), ...wanted.keys()])].filter((place) => before.get(place) !== wanted.get(place));
    this.t.check(`${said} documents differ, not ${differs.length}`, said === differs.length);
    await this.follow();
    await this.same(dryRun ? before : wanted, JSON.stringify(body));
    this.restores += 1;
  }

  /** What the log says of the events that the model did not make. */
  async follow() {
    for (let more = true; more; ) {
      const page = await this.ask("GET", `changes?offset=${this.offset}&images=full`);
      this.offset = page.header("stream-next-offset");
      for (const event of page.json()) {
        if (event.sequence <= this.head) continue;
        this.happened(`${event.collection}/${event.documentId}`, event.after ?? null);
        this.t.check(`event ${event.sequence} is the next`, event.sequence === this.head);
      }
      more = page.header("stream-up-to-date") !== "true";
    }
  }

  async same(wanted, what) {
    const found = new Map();
    for (const collection of COLLECTIONS) {
      const answer = await this.ask("POST", `${collection}/query`, { select: ["_key", "n"], limit: 1_000 });
      for (const row of answer.json().rows) found.set(`${collection}/${row._key}`, row.n);
    }
    const text = (state) => JSON.stringify([...state].sort());
    this.t.check(`seed ${this.seed}, ${what}: ${text(found)}, not ${text(wanted)}`, text(found) === text(wanted));
  }

  happened(place, document) {
    this.head += 1;
    if (!this.keys.has(place)) this.keys.set(place, []);
    this.keys.get(place).push([this.head, document]);
  }

  /** The document after an event; null when there is none. */
  at(place, sequence) {
    const before = (this.keys.get(place) ?? []).filter(([at]) => at <= sequence);
    return before.length === 0 ? null : before[before.length - 1][1];
  }

  /** `n` of every document after an event. */
  state(sequence) {
    const state = new Map();
    for (const place of this.keys.keys()) {
      const document = this.at(place, sequence);
      if (document !== null) state.set(place, document.n);
    }
    return state;
  }

  ask(method, path, json) {
    return this.t.quietly(method, `${this.object}/${path}`, { ...admin, ...(json ? { json } : {}) });
  }

  async settled(path) {
    for (const deadline = Date.now() + SETTLE_MILLIS; ; ) {
      const answer = await this.ask("GET", path);
      if (answer.json().status === "complete") return answer.json();
      this.t.check(`${path} ends: ${answer.text}`, Date.now() < deadline && answer.json().status === "running");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
