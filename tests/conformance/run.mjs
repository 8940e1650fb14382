// One conformance suite, two hosts: runs every case of cases/ on each host and compares what they
// answered, byte for byte.
//
//   run.mjs                       embedded and worker, compared
//   run.mjs embedded              one host alone: what the cases themselves claim
//   run.mjs embedded embedded     two fresh ones: the masks hide enough, and the cases are stable
//   --case NAME                   only this case (again for more)
//   --lanes N                     every host N times at once, each with its share of the cases (2)
//
// A lane's cases are the same on all hosts, in the same order, and it runs one host after the other: both
// have seen the same when a case begins.
// Transcripts are in .cache/conformance/<host>/<case>.txt. The last line is `N passed, N failed`.

import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { firstDifference } from "./difference.mjs";
import { EmbeddedHost } from "./hosts/embedded.mjs";
import { ROOMS_MODULE, WorkerHost } from "./hosts/worker.mjs";
import { Tester, Unmet } from "./tester.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const OUTPUT = join(HERE, "../../.cache/conformance");
/** Longest time of a case that names none of its own. */
const CASE_MILLIS = 120_000;
const STOP_MILLIS = 30_000;
const LANES = 2;
const LANES_MAX = 8;
const HOSTS = { embedded: EmbeddedHost, worker: WorkerHost };

function readArguments(args) {
  const hosts = [];
  const names = [];
  let lanes = LANES;
  while (args.length > 0) {
    const one = args.shift();
    if (one === "--case" && args.length > 0) names.push(args.shift());
    else if (one === "--lanes" && args.length > 0) lanes = Number(args.shift());
    else if (HOSTS[one]) hosts.push(one);
    else throw new Error(`run.mjs takes embedded, worker, --case NAME and --lanes N, not ${one}`);
  }
  if (!(Number.isInteger(lanes) && lanes > 0 && lanes <= LANES_MAX)) throw new Error(`--lanes is 1 to ${LANES_MAX}`);
  return { hosts: hosts.length > 0 ? hosts : ["embedded", "worker"], names, lanes };
}

/** Every run of every case: `evicted` cases run a second time, with an eviction before each step. */
async function allRuns(names) {
  const files = (await readdir(join(HERE, "cases"))).filter((file) => file.endsWith(".mjs")).sort();
  const runs = [];
  for (const file of files) {
    const one = await import(`./cases/${file}`);
    runs.push({ ...one, type: one.name.replaceAll("-", "_") });
    if (one.evicted) runs.push({ ...one, name: `${one.name}-evicted`, type: `${one.name.replaceAll("-", "_")}_evicted`, evictBetween: true });
  }
  const unknown = names.find((name) => !runs.some((run) => run.name === name));
  if (unknown) throw new Error(`no case ${unknown}; there are: ${runs.map((run) => run.name).join(" ")}`);
  return names.length > 0 ? runs.filter((run) => names.includes(run.name)) : runs;
}

/** Runs the cases on one host; a result is `{text, failed}` by name. */
async function runHost(name, folder, runs) {
  const results = new Map();
  const started = Date.now();
  const host = await HOSTS[name].start({ module: ROOMS_MODULE });
  try {
    for (const run of runs) {
      if (run.only && run.only !== name) continue;
      const result = await runCase(host, run);
      results.set(run.name, result);
      await writeFile(join(folder, `${run.name}.txt`), result.text);
    }
  } finally {
    await within(STOP_MILLIS, host.stop()).catch((error) => console.log(`${name} does not stop: ${error.message}`));
  }
  console.log(`${name}: ${results.size} cases in ${((Date.now() - started) / 1_000).toFixed(1)} s`);
  return results;
}

async function runCase(host, run) {
  const tester = new Tester(host, run.type, run.evictBetween ?? false);
  const started = Date.now();
  const failures = tester.unmet;
  try {
    await within(run.millis ?? CASE_MILLIS, run.run(tester));
  } catch (thrown) {
    failures.push(thrown instanceof Unmet ? thrown.message : thrown.stack);
    if (/^E(CONN|PIPE)/.test(thrown.code)) failures.push(`the host said:\n${host.output.join("\n")}`);
  }
  for (const failure of failures) console.log(`FAILED: ${run.name} on ${host.name}: ${failure}`);
  if (process.env.TIDELOG_TIMES) console.log(`${run.name} on ${host.name}: ${Date.now() - started} ms`);
  return { text: tester.transcript.text, failed: failures.length > 0 };
}

/** What waits for ever on a host must not hang the suite. */
async function within(millis, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Unmet(`not done after ${millis} ms`)), millis);
  });
  await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Whether a case holds: it failed on no host, and both saw the same. */
function judge(run, [first, ...others]) {
  const failed = [first, ...others].some((results) => results.get(run.name)?.failed);
  if (run.only) return !failed;
  const one = first.get(run.name).text;
  const different = others.find((results) => results.get(run.name).text !== one);
  if (!different) return !failed;
  console.log(`FAILED: ${run.name}: the transcripts differ`);
  console.log(firstDifference(one, different.get(run.name).text));
  return false;
}

/** Runs some cases on each host in turn; what came of it by host. */
async function runLane(hosts, folders, runs) {
  const results = [];
  for (const [at, host] of hosts.entries()) results.push(await runHost(host, folders[at], runs));
  return results;
}

/** Each lane's share. Cases that name a time of their own are the long ones, and dealt out first. */
function dealt(runs, lanes) {
  const order = [...runs.filter((run) => run.millis), ...runs.filter((run) => !run.millis)];
  const shares = Array.from({ length: lanes }, (_, lane) => order.filter((_, at) => at % lanes === lane));
  return shares.filter((share) => share.length > 0);
}

async function main() {
  const { hosts, names, lanes } = readArguments(process.argv.slice(2));
  const runs = await allRuns(names);
  const folders = hosts.map((host, at) => join(OUTPUT, hosts.indexOf(host) < at ? `${host}-${at + 1}` : host));
  for (const folder of folders) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
  }
  const done = await Promise.all(dealt(runs, lanes).map((share) => runLane(hosts, folders, share)));
  const results = hosts.map((_, at) => new Map(done.flatMap((lane) => [...lane[at]])));
  const counted = runs.filter((run) => results.some((one) => one.has(run.name)));
  const passed = counted.filter((run) => judge(run, results)).length;
  console.log(`${passed} passed, ${counted.length - passed} failed`);
  process.exitCode = passed === counted.length && counted.length > 0 ? 0 : 1;
}

await main().catch((error) => {
  console.log(`FAILED: ${error.stack}`);
  console.log("0 passed, 1 failed");
  process.exitCode = 1;
});
process.exit(); // a host that hangs leaves connections open
