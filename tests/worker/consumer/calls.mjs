// Calls and their answers, through both bindings: values, errors, streams of rows, ids, traps, tokens.

import { BINDINGS, SHELF, actorOf, objectPath, range } from "./checks.mjs";

const ROWS = 5_000;

const keysOf = (reply) => reply.written.map(({ key, version, operation }) => [key, version, operation]);

async function answers(workers, checks, through) {
  const a = await workers.ask("calls", { through, type: SHELF.type, id: `calls ${through}` });
  checks.equal(`${through}: no call fails`, a.failed, undefined);
  if (a.failed) return;
  checks.equal(`${through}: insert`, keysOf(a.inserted), [["a", 1, "INSERT"], ["b", 2, "INSERT"]]);
  checks.equal(`${through}: a repeat is answered`, [a.repeated.replayed, a.repeated.offset], [true, a.inserted.offset]);
  checks.equal(`${through}: upsert`, keysOf(a.upserted), [["b", 3, "UPDATE"]]);
  checks.equal(`${through}: put`, keysOf(a.put), [["c", 4, "INSERT"]]);
  checks.equal(`${through}: update`, keysOf(a.updated), [["a", 5, "UPDATE"]]);
  checks.equal(`${through}: delete`, keysOf(a.deleted), [["b", 6, "DELETE"]]);
  const batch = [["d", 7, "INSERT"], ["a", 8, "UPDATE"], ["e", 9, "INSERT"], ["c", 10, "UPDATE"], ["d", 11, "DELETE"]];
  checks.equal(`${through}: batch`, keysOf(a.batch), batch);
  checks.equal(`${through}: get`, a.found, { key: "a", version: 8, document: { id: "a", text: "7" } });
  checks.equal(`${through}: get of nothing`, a.missing, null);
  checks.equal(`${through}: query`, a.query.rows.map((row) => row.text), ["9", "8"]);
  checks.that(`${through}: query has a next page`, typeof a.query.next === "string", a.query);
  checks.equal(`${through}: aggregate`, a.counted.rows, [{ notes: 3 }]);
  checks.equal(`${through}: changes, filtered`, a.changes.events.map((event) => event.sequence), [3, 5, 6, 8, 10, 11]);
  checks.equal(`${through}: full images`, a.changes.events[0].before, { id: "b", text: "2" });
  checks.equal(`${through}: changes`, a.all.events.map((event) => event.sequence), range(1, 11));
  const labels = a.all.events.slice(0, 3).map((event) => [event.source, event.correlationId]);
  checks.equal(`${through}: labels`, labels, [["consumer", "joined"], ["consumer", "joined"], ["", null]].map(([s, c]) => [s, c ?? undefined]));
  checks.equal(`${through}: the end`, [a.atEnd.events.length, a.atEnd.upToDate, a.atEnd.closed], [0, true, false]);
  checks.equal(`${through}: state`, [a.state.id, a.state.head, a.state.documents.notes], [`calls ${through}`, 11, 3]);
  checks.that(`${through}: state has costs`, a.state.costs?.meter.rowsWritten > 0, a.state.costs);
  checks.equal(`${through}: sync`, [a.synced.lake[0].committed, a.synced.lake[0].lagEvents], [11, 0]);
}

async function warm(workers, checks, through) {
  const a = await workers.ask("warm", { through, type: SHELF.type, id: `warm ${through}` });
  checks.equal(`${through}: no warm call fails`, a.failed, undefined);
  // The stub is the object itself: it has nothing older.
  const kept = through === "service" ? "1" : "2";
  checks.equal(`${through}: warm reads`, [a.filled, a.kept, a.strong, a.caughtUp], ["1", kept, "2", "2"]);
  checks.equal(`${through}: a warm query`, a.rows.map((row) => row.text), ["2"]);
  const entries = [null, ["hello", "text/plain", true], ["hi", "application/octet-stream", true], null];
  checks.equal(`${through}: entries of the cache`, a.entries, entries);
  checks.equal(`${through}: wrong entries`, [a.ttl.code, a.prefix.code], ["invalid_parameter", "invalid_cache_key"]);
  checks.equal(`${through}: sync of the cache`, a.synced.lastWarmSequence, 2);
}

async function cold(workers, checks, through) {
  const a = await workers.ask("cold", { through, type: SHELF.type, id: `cold ${through}` });
  checks.equal(`${through}: no cold call fails`, a.failed, undefined);
  const [one, two] = ["1", "2"].map((text, at) => ({ key: "a", version: at + 1, document: { id: "a", text } }));
  checks.equal(`${through}: reads from the lake`, [a.first, a.kept, a.hot, a.missing, a.caughtUp], [one, one, two, null, two]);
  checks.equal(`${through}: wrong ones`, [a.early.code, a.both.code, a.local.code], ["not_caught_up", "conflicting_parameters", "cold_disabled"]);
}

const CODES = {
  duplicate: "duplicate_key", missingField: "missing_field", wrongType: "wrong_type", collection: "unknown_collection",
  version: "version_mismatch", document: "unknown_document", message: "unknown_message", field: "unknown_field", offset: "malformed_offset",
  empty: "empty_turn", bigint: "invalid_json", surrogate: "invalid_path", label: "invalid_header",
  keyReused: "idempotency_key_reused", objectId: "invalid_object_id", typeName: "invalid_name",
  unknownObject: "unknown_object", unknownType: "unknown_type", noName: "wrong_address", stream: "malformed_offset",
  rows: "unknown_collection", follow: "malformed_offset",
};

/** `keeps`: RPC keeps the members of errors for this consumer, and not their message alone. */
async function errors(workers, checks, through, consumer, keeps) {
  const id = `errors ${through} ${consumer}`;
  const seen = await workers.ask("errors", { through, type: SHELF.type, id }, consumer);
  for (const [what, code] of Object.entries(CODES)) {
    const error = seen[what] ?? {};
    checks.equal(`${id}: the code of ${what}`, error.code, code);
    checks.that(`${id}: ${what} says its code first`, error.message?.replace(/^TidelogError: /, "").startsWith(`${code}: `), error);
    checks.equal(`${id}: the members of ${what}`, error.members?.includes("code"), keeps);
  }
  checks.equal(`${id}: the name`, seen.missingField?.name, keeps ? "TidelogError" : "Error");
  checks.equal(`${id}: status and field`, [seen.missingField?.status, seen.missingField?.field], [400, "text"]);
  checks.equal(`${id}: the callback's own error`, seen.callback?.message, "the callback failed");
}

async function rows(workers, checks, through) {
  const id = "rows";
  const path = `${objectPath(id)}/notes?mode=upsert`;
  for (let at = 0; at < ROWS; at += 1_000) {
    const some = range(at, at + 999).map((n) => ({ id: String(n).padStart(5, "0"), text: "x".repeat(200) }));
    const answer = await workers.http("POST", path, JSON.stringify(some));
    checks.that("rows are written", answer.ok, answer.status);
    await answer.arrayBuffer();
  }
  const found = await workers.ask("rows", { through, type: SHELF.type, id, page: 700 });
  checks.equal(`${through}: all rows, in order`, [found.count, found.inOrder, found.last], [ROWS, true, "04999"]);
  checks.that(`${through}: no more than a hundred rows at once`, found.chunkBytesMax < 100 * 400, found);
}

const IDS = ["with spaces", "ünïcode 鍵 🗝", "100%", "%2F", "a%2Fb%20c", "+plus&amp?q#h=1;'\"\\", "..a", "%"];

async function ids(workers, checks) {
  for (const [at, id] of IDS.entries()) {
    const through = BINDINGS[at % 2];
    const key = `${id}/key of it`;
    const rpc = await workers.ask("ids", { through, type: SHELF.type, id, key });
    checks.equal(`${through}: ${id} by RPC`, [rpc.id, rpc.found?.key, rpc.found?.document.text], [id, key, "by rpc"]);
    const answer = await workers.http("GET", `${objectPath(id)}/notes/${encodeURIComponent(key)}`);
    checks.equal(`${id} by HTTP`, [answer.status, await answer.json()], [200, { id: key, text: "by rpc" }]);
    const state = await workers.http("GET", `${objectPath(id)}/state`);
    checks.equal(`${id} is the same object`, (await state.json()).id, id);
  }
}

async function trapped(workers, checks, through) {
  const id = `trap ${through}`;
  const seen = await workers.ask("trap", { through, type: SHELF.type, id });
  checks.equal(`${id}: the call that trapped`, [seen.trapped?.code, seen.trapped?.status], ["actor_reset", 503]);
  checks.equal(`${id}: nothing of it was kept`, seen.kept?.document.text, "before");
  checks.equal(`${id}: the same stub writes on`, seen.again && keysOf(seen.again), [["t", 2, "UPDATE"]]);
  checks.equal(`${id}: and reads`, seen.read?.document.text, "after");
}

async function evicted(workers, checks) {
  const id = "evicted";
  const seen = await workers.ask("evicted", { through: "service", type: SHELF.type, id });
  checks.equal("a read after an eviction", seen.read?.document.text, "1");
  checks.equal("a repeat after an eviction", seen.repeated?.replayed, true);
  checks.equal("a write that was torn down", seen.broken?.code, "actor_reset");
  checks.equal("its repeat", [seen.after?.version, seen.after?.document.text], [2, "2"]);
}

/** At every boundary of a write: the same isolate serves everyone else, and this object again. */
async function everyBoundary(workers, checks) {
  const row = (text) => JSON.stringify({ id: "one", text });
  for (const at of range(1, 6)) {
    const id = `boundary ${at}`;
    await workers.test("break", actorOf(id), `&at=${at}`);
    const torn = await workers.http("PUT", `${objectPath(id)}/notes/one`, row("1"), { "idempotency-key": "1" });
    const document = await torn.json();
    checks.that(`${id}: done, or the documented problem`, torn.ok || document.code === "actor_reset", document);
    const again = await workers.http("PUT", `${objectPath(id)}/notes/one`, row("1"), { "idempotency-key": "1" });
    checks.equal(`${id}: its repeat`, [again.ok, (await again.json()).written], [true, [{ key: "one", version: 1, operation: "INSERT" }]]);
  }
}

async function removed(workers, checks, through) {
  const id = `calls ${through}`;
  const seen = await workers.ask("remove", { through, type: SHELF.type, id });
  checks.equal(`${id}: is deleted`, seen.deleted?.status, "deleted");
  checks.equal(`${id}: its subscription ends`, [seen.closed, seen.sequences], [true, range(1, 14)]);
  checks.equal(`${id}: what is gone`, seen.write?.code, "object_deleted");
}

/** Both bindings are an administrator's. */
async function snapshots(workers, checks, through) {
  const id = `snapshots ${through}`;
  const seen = await workers.ask("snapshots", { through, type: SHELF.type, id });
  checks.equal(`${id}: a full one`, [seen.full?.kind, seen.full?.status, seen.full?.sequence, seen.full?.note], ["full", "complete", 2, "two"]);
  checks.equal(`${id}: it is read back`, seen.read, seen.full);
  checks.equal(`${id}: an incremental one`, [seen.next?.kind, seen.next?.parent, seen.next?.from], ["incremental", seen.full?.id, 2]);
  checks.equal(`${id}: the list`, seen.listed?.snapshots.map((one) => one.id), [seen.next?.id, seen.full?.id]);
  const notes = { added: 1, changed: 1, removed: 1 };
  checks.equal(`${id}: a dry run`, [seen.dry?.differences, seen.dry?.undo], [{ notes }, undefined]);
  checks.equal(`${id}: a restore`, [seen.restored?.status, seen.restored?.differences, seen.state], ["complete", { notes }, seen.restored]);
  checks.equal(`${id}: what is there again`, seen.back, [["a", "1"], ["b", "1"]]);
  checks.equal(`${id}: and undone`, seen.undone, [["a", "2"], ["c", "2"]]);
  checks.equal(`${id}: a time before the first event`, seen.early?.code, "restore_beyond_horizon");
  checks.equal(`${id}: nothing to cancel`, seen.idle?.code, "no_restore");
  checks.equal(`${id}: a parent is held`, seen.held?.code, "snapshot_has_children");
  checks.equal(`${id}: deleted`, [seen.deleted?.id, seen.gone?.code], [seen.next?.id, "unknown_snapshot"]);
  const actions = ["snapshot.delete", "restore", "restore", "restore", "snapshot.create", "snapshot.create"];
  checks.equal(`${id}: the audit log`, seen.audit?.entries.map((entry) => entry.action), actions);
  checks.equal(`${id}: who and why`, [seen.audit?.entries[0].actor, seen.audit?.entries[0].reason], ["ada", "tidy"]);
}

async function token(workers, checks) {
  const seen = await workers.ask("http", { through: "service", type: SHELF.type, id: "rows" });
  checks.equal("HTTP through the binding asks for the token", [seen.open, seen.state, seen.body?.id], [401, 200, "rows"]);
}

export async function calls(workers, checks) {
  for (const through of BINDINGS) {
    await answers(workers, checks, through);
    await warm(workers, checks, through);
    await cold(workers, checks, through);
    await errors(workers, checks, through, "consumer", true);
    await errors(workers, checks, through, "older", false);
    await rows(workers, checks, through);
    await snapshots(workers, checks, through);
    await trapped(workers, checks, through);
    await removed(workers, checks, through);
  }
  await ids(workers, checks);
  await evicted(workers, checks);
  await everyBoundary(workers, checks);
  await token(workers, checks);
}
