// Snapshots as files: out of an object whole and in ranges, into others, also in pieces; what is no file.
// A host takes the files of those that ran before it, so the Worker restores what the embedded host made;
// and the binary verifies both, so it restores what the Worker made.

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { ADMIN_TOKEN } from "../hosts/pace.mjs";

export const name = "snapshots-files";

const admin = { authorization: `Bearer ${ADMIN_TOKEN}` };
const own = ["bytes", "ownBytes", "offset", "frames", "source", "snapshot"];

const TYPE = `
[collections.notes.fields]
id = { type = "string" }
n = { type = "int" }
at = { type = "timestamp" }
more = { type = "json" }
[collections.tags.fields]
id = { type = "string" }
[collections.tags.hot]
vortex_threshold = 0
`;

/** Bytes of the first piece of an upload. */
const PIECE = 30_000;

/** Files that hosts before this one made, with the rows they hold. */
const before = [];

export async function run(t) {
  t.collections = ["notes", "tags"];
  const snapshots = `${t.object()}/snapshots`;
  await t.register(TYPE);
  const notes = Array.from({ length: 1_500 }, (_, n) => ({ id: `n${n}`, n, at: "2026-11-29T08:00:00Z", more: { of: [n, null, "é"] } }));
  await t.post(`${t.object()}/notes`, notes, { expect: 201, shown: (answer) => answer.json().written.length });
  await t.post(`${t.object()}/tags`, [{ id: "t" }, { id: "u", undeclared: 1.5 }], { expect: 201 });
  await t.post(snapshots, {}, { headers: admin, expect: 201, own });
  await t.delete(`${t.object()}/notes/n7`, { expect: 200 });
  await t.put(`${t.object()}/tags/v`, { big: "x".repeat(1_000_000) }, { expect: 201, shown: () => "put" });
  const last = (await t.post(snapshots, { kind: "incremental" }, { headers: admin, expect: 201, own })).json().id;
  const wanted = await rows(t, "one");

  const file = await t.quietly("GET", `${snapshots}/${last}/file`, { headers: admin });
  t.check("the file is whole", file.status === 200 && file.header("tidelog-file-bytes") === String(file.bytes.length));
  const rest = await t.quietly("GET", `${snapshots}/${last}/file`, { headers: { ...admin, range: "bytes=4321-" } });
  t.check("from a byte on", rest.status === 206 && rest.bytes.equals(file.bytes.subarray(4321)));
  await verified(t, file.bytes);

  await imported(t, "copy", [file.bytes]);
  t.check("the copy is as it was", (await rows(t, "copy")) === wanted);
  await t.post(`${t.object("copy")}/sync`, { tier: "cold" }, { expect: 200 });
  await t.lakeIsLog("notes", "copy");
  for (const [index, other] of before.entries()) {
    await imported(t, `other${index}`, [other.bytes.subarray(0, PIECE), other.bytes.subarray(PIECE)]);
    t.check("another host's file is as it was", (await rows(t, `other${index}`)) === other.wanted);
  }
  t.check(`the file has ${file.bytes.length} bytes, enough for pieces`, file.bytes.length > 2 * PIECE);
  before.push({ bytes: file.bytes, wanted });
  await refusals(t, file.bytes);
}

/** Uploads a file, in pieces where there are several, and restores it. Quiet: ids are the host's own, and only one host has others' files. */
async function imported(t, id, pieces) {
  const path = `${t.object(id)}/snapshots/import`;
  const headers = { ...admin, "content-type": "application/vnd.tidelog.snapshot" };
  let done;
  let offset = 0;
  const whole = Buffer.concat(pieces);
  for (let sent = 0, at = 0; sent < pieces.length; sent += 1) {
    const isLast = sent + 1 === pieces.length;
    at += pieces[sent].length;
    const body = whole.subarray(offset, at);
    done = await t.quietly("POST", `${path}?offset=${offset}${isLast ? "" : "&partial=true"}`, { headers, body });
    t.check(`${id}: piece ${sent} is taken: ${done.text}`, done.status === (isLast ? 201 : 202));
    offset = done.json().offset;
  }
  const restore = { snapshot: done.json().snapshot };
  const answer = await t.quietly("POST", `${t.object(id)}/restore`, { json: restore, headers: admin });
  t.check(`${id}: restored: ${answer.text}`, answer.status === 200 && answer.json().status === "complete");
}

/** Every document, without its version. */
async function rows(t, id) {
  const all = [];
  for (const collection of ["notes", "tags"]) {
    const answer = await t.quietly("POST", `${t.object(id)}/${collection}/query`, { json: { orderBy: ["id"], limit: 10_000 } });
    t.check(`${id} ${collection} can be read: ${answer.text.slice(0, 200)}`, answer.status === 200);
    all.push(answer.json().rows.map(({ _version, ...row }) => row));
  }
  return JSON.stringify(all);
}

/** The binary brings the file's state back by itself. */
async function verified(t, bytes) {
  const folder = await mkdtemp(join(tmpdir(), "tidelog-file-"));
  try {
    const path = join(folder, "snapshot.tls");
    await writeFile(path, bytes);
    const { stdout } = await promisify(execFile)(process.env.TIDELOG_BIN, ["verify", path, "--json"]);
    const said = JSON.parse(stdout);
    t.check(`it verifies: ${stdout}`, said.links === 2 && said.restored.notes.added === 1_499 && said.restored.tags.added === 3);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function refusals(t, bytes) {
  const path = `${t.object("fresh")}/snapshots/import`;
  const headers = { ...admin, "content-type": "application/vnd.tidelog.snapshot" };
  const damaged = Buffer.from(bytes);
  damaged[damaged.length >> 1] ^= 1;
  const cases = [
    [Buffer.alloc(0), "400 snapshot_truncated"],
    [Buffer.from("PK\u0003\u0004"), "400 snapshot_damaged"],
    [Buffer.from("TLS\u0009"), "501 unsupported_format"],
    [damaged, "400 snapshot_damaged"],
    [bytes.subarray(0, bytes.length - 1), "400 snapshot_truncated"],
  ];
  for (const [body, expect] of cases) {
    const answer = await t.quietly("POST", path, { headers, body });
    const got = `${answer.status} ${answer.json().code}`;
    t.check(`${got} where ${expect} is due`, got === expect);
  }
}
