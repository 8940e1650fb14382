// Counting what holds, and the type and rows that the parts of this suite use.

export const SHELF = {
  type: "shelf",
  // Entries of the cache, and warm reads of what reads alone have put there.
  warm: { enabled: true, collections: ["pushed"] },
  collections: { pushed: { cold: { enabled: false } }, notes: { key: ["id"], fields: { id: { type: "string", required: true }, text: { type: "string", required: true } } } },
};
export const BINDINGS = ["service", "stub"];

export class Checks {
  passed = 0;
  failed = 0;

  that(what, holds, detail) {
    if (holds) {
      this.passed += 1;
      return;
    }
    this.failed += 1;
    console.log(`FAILED: ${what}${detail === undefined ? "" : `: ${JSON.stringify(detail)?.slice(0, 1_000)}`}`);
  }

  equal(what, found, wanted) {
    this.that(what, JSON.stringify(found) === JSON.stringify(wanted), { found, wanted });
  }
}

export const range = (first, last) => Array.from({ length: last - first + 1 }, (_, at) => first + at);

export const actorOf = (id) => `default/object/${SHELF.type}/${id}/0`;

export const objectPath = (id) => `/v1/objects/${SHELF.type}/${encodeURIComponent(id)}`;

/** Posts rows until the answer says yes: the key makes repeats harmless. A refusal ends it. */
export async function insist(workers, id, rows, key) {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const answer = await workers.http("POST", `${objectPath(id)}/notes`, JSON.stringify(rows), { "idempotency-key": key });
    const text = await answer.text();
    if (answer.ok) return JSON.parse(text);
    if (answer.status < 500) throw new Error(`${key}: ${answer.status} ${text}`);
  }
  throw new Error(`${key}: no success in 100 attempts`);
}
