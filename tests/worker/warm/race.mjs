// Writers and readers at once, a clock that moves, an object that is evicted, and a cache that loses what
// it was given. Each answer is held against what was acknowledged when it was asked for and, in the
// end, against the log: it is the document as it was at the event it names.

import { below, pause } from "./chance.mjs";
import { TTL_MILLIS, sequenceOf } from "./object.mjs";

export class Race {
  #object;
  hits = 0;
  reads = 0;
  evictions = 0;
  failures = [];
  #next = 1;
  #done = false;
  /** Per document: what was acknowledged, and a time by which it was. */
  #acknowledged = new Map();
  #answers = [];
  /** While the host's clock is being moved, it is somewhere between these two. */
  #moved = { least: 0, most: 0 };

  constructor(object) {
    this.#object = object;
  }

  async run(documents, { writes, disturbances }) {
    const writers = documents.map((document) => this.#write(document, writes));
    const readers = [...documents, ...documents].map((document) => this.#session(document));
    await Promise.all([...writers, this.#disturb(disturbances)]);
    this.#done = true;
    await Promise.all(readers);
    await this.#object.test("cache", "&lost=0");
    await this.#compare();
  }

  #asking() {
    return Date.now() + this.#moved.least;
  }

  async #write(document, times) {
    const acknowledged = [];
    this.#acknowledged.set(document, acknowledged);
    for (let time = 0; time < times; time += 1) {
      const n = this.#next++;
      const answer = await this.#object.ask("PUT", document, { n });
      // 503: the object was evicted; whether it was written is not known, so nothing is claimed.
      if (answer.status < 300) acknowledged.push({ by: Date.now() + this.#moved.most, n, offset: answer.json().offset });
      else if (answer.status !== 503) this.failures.push(`a write was answered ${answer.status} ${answer.text}`);
      await pause(below(20));
    }
  }

  #known(document, by) {
    return this.#acknowledged.get(document)?.findLast((entry) => entry.by <= by);
  }

  /** Reads one document, and goes on from what its last answer has seen. */
  async #session(document) {
    let last;
    while (!this.#done) {
      const asked = this.#asking();
      const newest = this.#known(document, asked);
      const kind = below(7);
      let [terms, least] = [{ consistency: "warm" }, this.#known(document, asked - TTL_MILLIS)?.n ?? 0];
      if (kind === 0) [terms, least] = [{ consistency: "strong" }, newest?.n ?? 0];
      if (kind === 1 && newest) [terms, least] = [{ ...terms, atLeast: newest.offset }, newest.n];
      if (kind === 2 && last) [terms, least] = [{ ...terms, atLeast: last.offset }, last.n];
      last = (await this.#read(document, terms, least)) ?? last;
    }
  }

  async #read(document, terms, least) {
    const [collection, key] = document.split("/");
    const answer =
      below(3) === 0
        ? await this.#object.ask("POST", `${collection}/query`, { where: { _key: key }, select: ["n"], ...terms })
        : await this.#object.ask("GET", `${document}?${new URLSearchParams(terms)}`);
    if (answer.status === 503) return undefined;
    this.reads += 1;
    if (answer.header("tidelog-cache") === "hit") this.hits += 1;
    if (![200, 404].includes(answer.status)) this.failures.push(`a read was answered ${answer.status} ${answer.text}`);
    const found = answer.status === 200 ? answer.json() : {};
    const n = (found.rows ? found.rows[0]?.n : found.n) ?? 0;
    if (n < least) this.failures.push(`${document} with ${JSON.stringify(terms)}: ${n}, older than ${least}`);
    const offset = answer.header("tidelog-offset");
    if (offset === undefined) return undefined;
    this.#answers.push({ document, n, offset });
    return { n, offset };
  }

  async #disturb(times) {
    for (let time = 0; time < times; time += 1) {
      const kind = below(5);
      if (kind === 0) {
        const by = below(2 * TTL_MILLIS); // past the TTL as often as not
        this.#moved.most += by;
        await this.#object.test("clock", `&by=${by}`);
        this.#moved.least += by;
      }
      if (kind === 1) {
        await this.#object.test("evict");
        this.evictions += 1;
      }
      if (kind === 2) await this.#object.test("cache", `&lost=${below(2) * 0.3}`);
      if (kind === 3) await this.#object.test("cache", `&slow=${below(2) * 20}`);
      if (kind === 4) await this.#object.ask("POST", "sync", { tier: "warm" });
      await pause(below(60));
    }
  }

  async #compare() {
    const histories = await this.#object.histories();
    for (const { document, n, offset } of this.#answers) {
      const then = histories.get(document)?.findLast((event) => event.sequence <= sequenceOf(offset));
      if (n !== (then?.n ?? 0)) this.failures.push(`${document} at ${offset}: ${n}, not ${then?.n ?? 0}`);
    }
    for (const [document, acknowledged] of this.#acknowledged) {
      for (const { n, offset } of acknowledged) {
        const there = histories.get(document)?.some((event) => event.n === n && event.sequence === sequenceOf(offset));
        if (!there) this.failures.push(`${document}: ${n} at ${offset} was acknowledged and is not in the log`);
      }
    }
  }
}
