// Runs the Worker on workerd over a folder until it is told to stop.
//
//   node tests/worker/serve.mjs FOLDER
//
// Prints `listening on URL`. A line `export FOLDER` on standard input copies every blob of the bucket
// into that folder and answers `exported N`, the how many-th time it was.

import { createInterface } from "node:readline";

import { WorkerHost } from "../conformance/hosts/worker.mjs";

const [folder] = process.argv.slice(2);
const host = await WorkerHost.start({ folder });
console.log(`listening on ${host.url}`);

async function stop() {
  await host.stop();
  process.exit(0);
}

process.on("SIGTERM", stop);
let exports = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const [what, where] = line.split(" ");
  if (what !== "export") continue;
  await host.exportBlobs(where);
  exports += 1;
  console.log(`exported ${exports}`);
}
await stop();
