// No reader is answered with an older value than it asked for, on workerd: with concurrent writers, a
// clock that moves, evictions, and a cache that loses what it was given. Needs the built Worker and the
// npm packages. The last line is `N passed, N failed`.
//
//   node tests/worker/warm.mjs          TIDELOG_SEED=n repeats the choices of a run

import { send } from "../conformance/http.mjs";
import { WorkerHost } from "../conformance/hosts/worker.mjs";

const TTL_MILLIS = 60_000;
const OBJECT = "/v1/objects/race/one";
const ACTOR = "default/object/race/one/0";
const SCHEMA = `
type = "race"
[warm]
enabled = true
default_ttl = 60
collections = ["pushed"]
[collections.pushed.fields]
n = { type = "int" }
[collections.plain.fields]
n = { type = "int" }
`;
const JSON_TYPE = { "content-type": "application/json" };

const seed = Number(process.env.TIDELOG_SEED ?? Date.now() % 1_000_000);
let state = seed;
function below(n) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
}

class Race {
  #host;
  hits = 0;
  reads = 0;
  failures = [];
  #next = 1;
  #done = false;
  /// Per document: what was acknowledged, and a time by which it was.
  #histories = new Map();

  constructor(host) {
    this.#host = host;
  }

  /// While the host's clock is being moved, it is somewhere between these two.
  #moved = { least: 0, most: 0 };

  #asking() {
    return Date.now() + this.#moved.least;
  }

  #acknowledged() {
    return Date.now() + this.#moved.most;
  }

  /// An answer that an eviction cuts off is as one that the object was lost: nothing is known.
  async #send(method, path, json) {
    const body = json === undefined ? {} : { body: JSON.stringify(json), headers: JSON_TYPE };
    try {
      return await send(this.#host.url, { method, path, ...body });
    } catch (error) {
      if (error.code !== "ECONNRESET") throw error;
      return { status: 503, text: "", header: () => undefined };
    }
  }

  async write(document, times) {
    const history = [];
    this.#histories.set(document, history);
    for (let time = 0; time < times; time += 1) {
      const n = this.#next++;
      const answer = await this.#send("PUT", `${OBJECT}/${document}`, { n });
      // 503: the object was evicted; whether it was written is not known, so nothing is claimed.
      if (answer.status < 300) history.push({ by: this.#acknowledged(), n, offset: answer.json().offset });
      else if (answer.status !== 503) this.failures.push(`a write was answered ${answer.status} ${answer.text}`);
      await new Promise((resolve) => setTimeout(resolve, below(20)));
    }
  }

  #known(document, by) {
    return this.#histories.get(document)?.findLast((entry) => entry.by <= by);
  }

  async read(document, times) {
    for (let time = 0; time < times && !this.#done; time += 1) await this.#readOnce(document);
  }

  async #readOnce(document) {
    const asked = this.#asking();
    const newest = this.#known(document, asked);
    const kind = below(6);
    let [terms, least] = [{ consistency: "warm" }, this.#known(document, asked - TTL_MILLIS)];
    if (kind === 0) [terms, least] = [{ consistency: "strong" }, newest];
    if (kind === 1 && newest) [terms, least] = [{ consistency: "warm", atLeast: newest.offset }, newest];
    const [collection, key] = document.split("/");
    const answer =
      below(3) === 0
        ? await this.#send("POST", `${OBJECT}/${collection}/query`, { where: { _key: key }, select: ["n"], ...terms })
        : await this.#send("GET", `${OBJECT}/${document}?${new URLSearchParams(terms)}`);
    if (answer.status === 503) return;
    const found = answer.status === 200 ? answer.json() : {};
    const seen = (found.rows ? found.rows[0]?.n : found.n) ?? 0;
    this.reads += 1;
    if (answer.header("tidelog-cache") === "hit") this.hits += 1;
    if (![200, 404].includes(answer.status)) this.failures.push(`a read was answered ${answer.status} ${answer.text}`);
    if (seen < (least?.n ?? 0)) this.failures.push(`${document} with ${JSON.stringify(terms)}: ${seen}, older than ${least.n}`);
  }

  async disturb(times) {
    for (let time = 0; time < times; time += 1) {
      const kind = below(4);
      if (kind === 0) {
        const by = below(40_000);
        this.#moved.most += by;
        await this.#host.test("clock", "", `&by=${by}`);
        this.#moved.least += by;
      }
      if (kind === 1) await this.#host.test("evict", ACTOR);
      if (kind === 2) await this.#host.test("cache", "", `&lost=${below(2) * 0.3}`);
      if (kind === 3) await this.#send("POST", `${OBJECT}/sync`, { tier: "warm" });
      await new Promise((resolve) => setTimeout(resolve, below(60)));
    }
  }

  end() {
    this.#done = true;
  }
}

async function main() {
  console.log(`warm: TIDELOG_SEED=${seed}`);
  const host = await WorkerHost.start();
  const race = new Race(host);
  try {
    const made = await send(host.url, { method: "PUT", path: "/v1/types/race", body: SCHEMA, headers: { "content-type": "application/toml" } });
    if (made.status !== 201) throw new Error(`the type: ${made.status} ${made.text}`);
    const documents = ["pushed/a", "plain/a", "plain/b"];
    const writes = documents.map((document) => race.write(document, 80));
    const reads = [...documents, ...documents].map((document) => race.read(document, 1_000));
    await Promise.all([...writes, race.disturb(80)]);
    race.end();
    await Promise.all(reads);
  } catch (error) {
    race.failures.push(error.stack);
  } finally {
    await host.stop();
  }
  const checks = [
    ["no answer is older than asked for", race.failures.length === 0, race.failures.slice(0, 5).join("\n")],
    ["the cache was used", race.hits > 50, `${race.hits} of ${race.reads} reads were hits`],
  ];
  for (const [what, holds, why] of checks) console.log(`${holds ? "ok" : "FAILED"}: ${what}${holds ? "" : `: ${why}`}`);
  const failed = checks.filter(([, holds]) => !holds).length;
  console.log(`${race.hits} hits of ${race.reads} reads`);
  console.log(`${checks.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main();
