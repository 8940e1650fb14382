// No reader is answered with an older value than it asked for, on workerd: with concurrent writers, a
// clock that moves, evictions, and a cache that is slow and loses what it was given. Needs the built Worker and
// the npm packages. The last line is `N passed, N failed`.
//
//   node tests/worker/warm.mjs          TIDELOG_SEED=n repeats the choices of a run

import { WorkerHost } from "../conformance/hosts/worker.mjs";
import { seed } from "./warm/chance.mjs";
import { crossings } from "./warm/crossing.mjs";
import { RacedObject } from "./warm/object.mjs";
import { Race } from "./warm/race.mjs";

const DOCUMENTS = ["pushed/a", "plain/a", "plain/b"];

async function checks(host) {
  const object = await RacedObject.make(host);
  const crossed = await crossings(object, 30);
  const race = new Race(object);
  await race.run(DOCUMENTS, { writes: 100, disturbances: 100 });
  const made = await object.made();
  console.log(`${race.hits} hits of ${race.reads} reads, ${race.evictions} evictions`);
  return [
    ["of fills that cross the newest stays", crossed.length === 0, crossed.slice(0, 5).join("\n")],
    ["no answer is older than asked for", race.failures.length === 0, race.failures.slice(0, 5).join("\n")],
    ["the cache was used", race.hits > 50, `${race.hits} of ${race.reads} reads were hits`],
    ["the object was evicted", race.evictions > 5 && made > 5, `${made} instances`],
  ];
}

async function main() {
  console.log(`warm: TIDELOG_SEED=${seed}`);
  const host = await WorkerHost.start();
  let done;
  try {
    done = await checks(host);
  } catch (error) {
    done = [["the test runs to its end", false, error.stack]];
  } finally {
    await host.stop();
  }
  for (const [what, holds, why] of done) console.log(`${holds ? "ok" : "FAILED"}: ${what}${holds ? "" : `: ${why}`}`);
  const failed = done.filter(([, holds]) => !holds).length;
  console.log(`${done.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main();
