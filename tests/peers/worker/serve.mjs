// Runs both Workers of `tidelog bench worker` and `bench tiers --host worker` in one workerd: ours as it is deployed, and the peer.
//
//   node tests/peers/worker/serve.mjs FOLDER [INSPECTOR_PORT]
//
// Prints one line of JSON, `{"tidelog": URL, "peer": URL, "workerd": version}`, and stops when its
// standard input ends. What the Workers store, and the bundle, go to FOLDER; the databases in it are files.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { Miniflare } from "miniflare";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const PEERS = ["peer.mjs", "readings.mjs"].map((name) => fileURLToPath(new URL(name, import.meta.url)));
const WASM = join(ROOT, "crates/worker/build/tidelog_bg.wasm");
/// Pushes, flushes and their alarms stay out of what is measured.
const NEVER_MILLIS = String(24 * 60 * 60 * 1_000);

const [, , folder, inspector] = process.argv;
if (!folder) {
  console.error("usage: serve.mjs FOLDER [INSPECTOR_PORT]");
  process.exit(2);
}
const objects = (classes) =>
  Object.fromEntries(classes.map(([binding, className]) => [binding, { className, useSQLite: true }]));
const { compatibilityDate, text } = await deployed();
const shared = {
  compatibilityDate,
  // Straight to the Worker: Miniflare's own front would be in the time of both.
  unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
};
const miniflare = new Miniflare({
  host: "127.0.0.1",
  port: 0,
  cf: false,
  inspectorPort: inspector && Number(inspector),
  handleRuntimeStdio: (out, err) => [out, err].forEach((pipe) => pipe.pipe(process.stderr)),
  durableObjectsPersist: join(folder, "objects"),
  r2Persist: join(folder, "r2"),
  workers: [
    {
      ...shared,
      name: "tidelog",
      modules: [
        { type: "ESModule", path: join(folder, "worker.mjs"), contents: text },
        { type: "CompiledWasm", path: join(folder, "tidelog_bg.wasm"), contents: await readFile(WASM) },
      ],
      modulesRoot: folder,
      durableObjects: objects([
        ["OBJECT", "TidelogObject"],
        ["TABLE", "TidelogTable"],
        ["REGISTRY", "TidelogRegistry"],
        ["CATALOG", "TidelogCatalog"],
      ]),
      r2Buckets: ["LAKE"],
      bindings: {
        TIDELOG_WAREHOUSE: "tidelog",
        TIDELOG_PUSH_MILLIS: NEVER_MILLIS,
        TIDELOG_FLUSH_MILLIS: NEVER_MILLIS,
      },
    },
    {
      ...shared,
      name: "peer",
      modules: PEERS.map((path) => ({ type: "ESModule", path })),
      modulesRoot: dirname(PEERS[0]),
      durableObjects: objects([
        ["PEER", "PeerObject"],
        ["READINGS", "ReadingsObject"],
      ]),
    },
  ],
});
const origin = async (name) => (await miniflare.unsafeGetDirectURL(name)).origin;
const { version } = createRequire(import.meta.url)("workerd/package.json");
console.log(JSON.stringify({ tidelog: await origin("tidelog"), peer: await origin("peer"), workerd: version }));

process.stdin.resume();
process.stdin.on("end", async () => {
  await miniflare.dispose();
  process.exit(0);
});

/// The Worker in one script, with the date of compatibility that wrangler.toml names.
async function deployed() {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, "crates/worker/entry.mjs")],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    external: ["cloudflare:*"],
    logLevel: "error",
    plugins: [
      {
        name: "wasm beside the script",
        setup: (setup) =>
          setup.onResolve({ filter: /\.wasm$/ }, () => ({ path: "./tidelog_bg.wasm", external: true })),
      },
    ],
  });
  const toml = await readFile(join(ROOT, "wrangler.toml"), "utf8");
  const [, compatibilityDate] = /^compatibility_date = "([^"]+)"$/m.exec(toml);
  return { compatibilityDate, text: outputFiles[0].text };
}
