// What one would write instead of an object on Cloudflare: a Durable Object by hand, with a table of
// flights, a table of changes, and the checks of schemas/airport.toml. `tidelog bench worker` drives it.

import { DurableObject } from "cloudflare:workers";

export { ReadingsObject } from "./readings.mjs";

/// The fields of a flight, in the order of the columns.
const FIELDS = [
  { name: "year", type: "int", required: true, min: 1900, max: 2100 },
  { name: "month", type: "int", required: true, min: 1, max: 12 },
  { name: "day", type: "int", required: true, min: 1, max: 31 },
  { name: "dep_time", type: "int", min: 1, max: 2400 },
  { name: "sched_dep_time", type: "int", required: true, min: 1, max: 2400 },
  { name: "dep_delay", type: "int", min: -1440 },
  { name: "arr_time", type: "int", min: 1, max: 2400 },
  { name: "sched_arr_time", type: "int", required: true, min: 1, max: 2400 },
  { name: "arr_delay", type: "int", min: -1440 },
  { name: "carrier", type: "string", required: true, pattern: /^[A-Z0-9]{2}$/ },
  { name: "flight", type: "int", required: true, min: 1, max: 9999 },
  { name: "tailnum", type: "string", pattern: /^[A-Z0-9]{5,6}$/ },
  { name: "origin", type: "string", required: true, pattern: /^(?:EWR|JFK|LGA)$/ },
  { name: "dest", type: "string", required: true, pattern: /^[A-Z]{3}$/ },
  { name: "air_time", type: "int", min: 0 },
  { name: "distance", type: "int", required: true, min: 1 },
  { name: "hour", type: "int", required: true, min: 0, max: 23 },
  { name: "minute", type: "int", required: true, min: 0, max: 59 },
  { name: "time_hour", type: "timestamp", required: true },
];

const TYPES = { int: "INTEGER", string: "TEXT", timestamp: "INTEGER" };

// The platform keeps a statement prepared for as long as its text is the same.
const CREATE = `
  CREATE TABLE IF NOT EXISTS flights (
    ${FIELDS.map(({ name, type, required }) => `${name} ${TYPES[type]}${required ? " NOT NULL" : ""}`).join(", ")},
    PRIMARY KEY (time_hour, carrier, flight)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS flights_tailnum ON flights (tailnum);
  CREATE INDEX IF NOT EXISTS flights_dest ON flights (dest, time_hour);
  CREATE TABLE IF NOT EXISTS changes (
    sequence INTEGER PRIMARY KEY, operation TEXT NOT NULL, key TEXT NOT NULL, image TEXT NOT NULL, at INTEGER NOT NULL
  )`;
const INSERT = `INSERT INTO flights VALUES (${FIELDS.map(() => "?").join(", ")})`;
const LOG = "INSERT INTO changes VALUES (?, ?, ?, ?, ?)";

/// What the caller sent is not a flight.
class Refused extends Error {}

/// A document's values in the order of the columns, checked.
function valuesOf(document) {
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new Refused("a document is a JSON object");
  }
  const values = new Array(FIELDS.length);
  let known = 0;
  for (let at = 0; at < FIELDS.length; at += 1) {
    const field = FIELDS[at];
    const value = document[field.name];
    if (value !== undefined) known += 1;
    if (value === undefined || value === null) {
      if (field.required) throw new Refused(`${field.name} is required`);
      values[at] = null;
    } else {
      values[at] = checked(field, value);
    }
  }
  if (Object.keys(document).length > known) throw new Refused("a member is not declared");
  return values;
}

function checked(field, value) {
  switch (field.type) {
    case "int":
      if (!Number.isSafeInteger(value)) throw new Refused(`${field.name} is a whole number`);
      if (value < field.min || value > field.max) throw new Refused(`${field.name} is out of range`);
      return value;
    case "string":
      if (typeof value !== "string") throw new Refused(`${field.name} is a string`);
      if (!field.pattern.test(value)) throw new Refused(`${field.name} does not match its pattern`);
      return value;
    default: {
      const millis = typeof value === "string" ? Date.parse(value) : NaN;
      if (Number.isNaN(millis)) throw new Refused(`${field.name} is a timestamp`);
      return millis;
    }
  }
}

/// The flights of one airport.
export class PeerObject extends DurableObject {
  #sequence;
  #rowsWritten = 0;

  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(CREATE);
    this.#sequence = this.sql.exec("SELECT coalesce(max(sequence), 0) AS newest FROM changes").one().newest;
  }

  async fetch(request) {
    if (request.method === "GET") return Response.json(this.#counts());
    try {
      const body = await request.json();
      const documents = Array.isArray(body) ? body : [body];
      return Response.json({ sequence: this.#insert(documents) }, { status: 201 });
    } catch (error) {
      return Response.json({ error: error.message }, { status: statusOf(error) });
    }
  }

  /// All documents or none; the newest sequence.
  #insert(documents) {
    const rows = documents.map(valuesOf);
    const now = Date.now();
    let sequence = this.#sequence;
    this.ctx.storage.transactionSync(() => {
      for (let at = 0; at < rows.length; at += 1) {
        const document = documents[at];
        sequence += 1;
        const key = `${document.time_hour}~${document.carrier}~${document.flight}`;
        const row = this.sql.exec(INSERT, ...rows[at]);
        const change = this.sql.exec(LOG, sequence, "INSERT", key, JSON.stringify(document), now);
        this.#rowsWritten += row.rowsWritten + change.rowsWritten;
      }
    });
    this.#sequence = sequence;
    return sequence;
  }

  #counts() {
    const count = (table) => this.sql.exec(`SELECT count(*) AS n FROM ${table}`).one().n;
    return { rows: count("flights"), changes: count("changes"), rowsWritten: this.#rowsWritten };
  }
}

function statusOf(error) {
  if (error instanceof Refused || error instanceof SyntaxError) return 400;
  return String(error.message).includes("UNIQUE constraint failed") ? 409 : 500;
}

/// `/<id>`: the object of that name; `/readings/<id>`: an object of readings.
export default {
  fetch(request, env) {
    const id = new URL(request.url).pathname.slice(1);
    if (id.startsWith("readings/")) return env.READINGS.get(env.READINGS.idFromName(id)).fetch(request);
    return env.PEER.get(env.PEER.idFromName(id)).fetch(request);
  },
};
