// What one would write to sum readings of sensors in a Durable Object: a table, and a statement.
// `tidelog bench tiers --host worker` drives it.

import { DurableObject } from "cloudflare:workers";

const CREATE = `
  CREATE TABLE IF NOT EXISTS readings (
    point TEXT NOT NULL, at INTEGER NOT NULL, value REAL NOT NULL, quality INTEGER NOT NULL,
    PRIMARY KEY (point, at)
  ) WITHOUT ROWID`;
const INSERT = "INSERT INTO readings VALUES (?, ?, ?, ?)";

/// The readings of one plant.
export class ReadingsObject extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(CREATE);
  }

  /// GET: `{bytes}`. POST `[[point, at, value, quality], …]`: one transaction. PUT `{how, sql}`: `{total}`
  /// of the one column that the statement answers, summed here (`rows`) or by SQLite (`sum`).
  async fetch(request) {
    if (request.method === "GET") return Response.json({ bytes: this.sql.databaseSize });
    const body = await request.json();
    if (request.method === "POST") {
      this.ctx.storage.transactionSync(() => {
        for (const row of body) this.sql.exec(INSERT, ...row);
      });
      return Response.json({ rows: body.length }, { status: 201 });
    }
    const rows = this.sql.exec(body.sql).raw();
    return Response.json({ total: body.how === "rows" ? summed(rows) : rows.next().value[0] });
  }
}

function summed(rows) {
  let total = 0;
  for (const [value] of rows) total += value;
  return total;
}
