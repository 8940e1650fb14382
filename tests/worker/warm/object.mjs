// The object of these tests: its type, requests that survive its evictions, and its log.

import { send } from "../../conformance/http.mjs";

export const TTL_MILLIS = 60_000;
export const PATH = "/v1/objects/race/one";
export const ACTOR = "default/object/race/one/0";
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

export class RacedObject {
  #host;

  static async make(host) {
    const object = new RacedObject();
    object.#host = host;
    const headers = { "content-type": "application/toml" };
    const made = await send(host.url, { method: "PUT", path: "/v1/types/race", body: SCHEMA, headers });
    if (made.status !== 201) throw new Error(`the type: ${made.status} ${made.text}`);
    return object;
  }

  /** An answer that an eviction cuts off is as one that the object was lost: nothing is known. */
  async ask(method, path, json) {
    const body = json === undefined ? {} : { body: JSON.stringify(json), headers: JSON_TYPE };
    try {
      return await send(this.#host.url, { method, path: `${PATH}/${path}`, ...body });
    } catch (error) {
      if (error.code !== "ECONNRESET") throw error;
      return { status: 503, text: "", header: () => undefined };
    }
  }

  test(what, more) {
    return this.#host.test(what, ACTOR, more);
  }

  /** How many instances of the object there were. */
  async made() {
    return (await send(this.#host.url, { method: "GET", path: `/test/made?actor=${ACTOR}` })).json();
  }

  /** Of each document its values in order, with the sequences from which on they were there. */
  async histories() {
    const histories = new Map();
    for (let offset = "-1"; ; ) {
      const page = await this.ask("GET", `changes?offset=${offset}&images=full`);
      if (page.status !== 200) throw new Error(`the log: ${page.status} ${page.text}`);
      for (const event of page.json()) {
        const document = `${event.collection}/${event.documentId}`;
        if (!histories.has(document)) histories.set(document, []);
        histories.get(document).push({ sequence: event.sequence, n: event.after.n });
      }
      if (page.header("stream-up-to-date") === "true") return histories;
      offset = page.header("stream-next-offset");
    }
  }
}

/** The sequence in an offset. */
export const sequenceOf = (offset) => Number(offset.split("_")[1]);
