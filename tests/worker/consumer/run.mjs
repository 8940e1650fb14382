// A separate Worker, typed by crates/worker/index.d.ts, calls objects through its bindings. Needs the
// built Worker and the npm packages. The last line is `N passed, N failed`.
//
//   node tests/worker/consumer/run.mjs [PART...]    some of: types calls followers sockets

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { calls } from "./calls.mjs";
import { Checks, SHELF } from "./checks.mjs";
import { followers } from "./followers.mjs";
import { sockets } from "./sockets.mjs";
import { Workers } from "./workers.mjs";

const HERE = fileURLToPath(new URL("./", import.meta.url));
const TSC = fileURLToPath(new URL("../../../node_modules/typescript/bin/tsc", import.meta.url));

function tsc(project) {
  return new Promise((resolve) => {
    execFile(process.execPath, [TSC, "--noEmit", "-p", project], (error, stdout) => resolve({ ok: !error, stdout }));
  });
}

/** What must be refused is refused, and not only because it says so. */
async function types(_, checks) {
  const right = await tsc(HERE);
  checks.that("tsc takes the consumer, and refuses what is wrong", right.ok, right.stdout);
  const folder = await mkdtemp(join(HERE, ".types-"));
  try {
    const wrong = (await readFile(join(HERE, "wrong.ts"), "utf8")).replaceAll("../../../", "../../../../");
    await writeFile(join(folder, "wrong.ts"), wrong.replaceAll("@ts-expect-error", ""));
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ extends: "../tsconfig.json", files: ["wrong.ts"] }));
    const { ok, stdout } = await tsc(folder);
    const lines = new Set(stdout.match(/^.*wrong\.ts\(\d+/gm));
    const wanted = wrong.match(/@ts-expect-error/g).length;
    checks.equal("every wrong line is an error", [ok, lines.size], [false, wanted]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const PARTS = { types, calls, followers, sockets };

async function run(names) {
  const checks = new Checks();
  const workers = await Workers.start();
  try {
    const registered = await workers.http("PUT", `/v1/types/${SHELF.type}`, JSON.stringify(SHELF));
    checks.equal("the type is registered", registered.status, 201);
    for (const name of names) {
      const started = Date.now();
      await PARTS[name](workers, checks);
      console.log(`consumer: ${name} took ${((Date.now() - started) / 1_000).toFixed(1)} s`);
    }
  } catch (error) {
    checks.that(`the suite ends: ${error.stack}`, false);
  } finally {
    if (checks.failed > 0) console.log(workers.output.join("\n").slice(-6_000));
    await workers.stop();
  }
  console.log(`${checks.passed} passed, ${checks.failed} failed`);
  process.exit(checks.failed === 0 ? 0 : 1);
}

const names = process.argv.slice(2);
await run(names.length > 0 ? names : Object.keys(PARTS));
