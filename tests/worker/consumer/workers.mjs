// Two Workers in one workerd: Tidelog's, in its test variant, and the consumer that is bound to it.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { Log, Miniflare } from "miniflare";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const CLASSES = { OBJECT: "TidelogObject", TABLE: "TidelogTable", CATALOG: "TidelogCatalog", REGISTRY: "TidelogRegistry" };

/** No call of this suite takes that long; one that hangs fails instead. */
const DEADLINE_MILLIS = 60_000;

async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer in ${DEADLINE_MILLIS} ms`)), DEADLINE_MILLIS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export const TOKEN = "a-token-of-the-tests";
const ADMIN_TOKEN = "a-token-of-administrators";

/** One script, and the wasm modules it imports beside it, as wrangler deploys them. */
async function bundled(entry, folder) {
  const wasm = [];
  const keep = {
    name: "wasm",
    setup: ({ onResolve }) =>
      onResolve({ filter: /\.wasm$/ }, async ({ path, resolveDir }) => {
        const name = `${wasm.length}.wasm`;
        wasm.push({ type: "CompiledWasm", path: join(folder, name), contents: await readFile(join(resolveDir, path)) });
        return { path: `./${name}`, external: true };
      }),
  };
  const result = await build({
    entryPoints: [join(ROOT, entry)], bundle: true, write: false, format: "esm", target: "es2022",
    external: ["cloudflare:*"], plugins: [keep], logLevel: "error",
  });
  return [{ type: "ESModule", path: join(folder, "worker.mjs"), contents: result.outputFiles[0].text }, ...wasm];
}

async function compatibilityDate() {
  const toml = await readFile(join(ROOT, "wrangler.toml"), "utf8");
  return /^compatibility_date = "(.+)"$/m.exec(toml)[1];
}

/** Keeps what workerd says, for a failure's report. */
function quiet(output) {
  return new (class extends Log {
    log(message) {
      output.push(message);
    }
  })();
}

export class Workers {
  output = [];
  #folder;
  #miniflare;
  #url;

  static async start() {
    const workers = new Workers();
    const folder = await mkdtemp(join(tmpdir(), "tidelog-consumer-"));
    workers.#folder = folder;
    const common = { modulesRoot: folder, compatibilityDate: await compatibilityDate() };
    const tidelog = {
      ...common,
      name: "tidelog",
      modules: await bundled("tests/worker/entry.mjs", folder),
      durableObjects: Object.fromEntries(Object.entries(CLASSES).map(([name, className]) => [name, { className, useSQLite: true }])),
      r2Buckets: ["LAKE"],
      // No alarm rings meanwhile: it would run into a trap or a teardown that is set for a call.
      bindings: {
        TIDELOG_TOKEN: TOKEN, TIDELOG_ADMIN_TOKEN: ADMIN_TOKEN, TIDELOG_PUSH_MILLIS: "600000", TIDELOG_LONG_POLL_MILLIS: "3000",
      },
    };
    const consumer = {
      ...common,
      name: "consumer",
      modules: await bundled("tests/worker/consumer/consumer.ts", folder),
      serviceBindings: { TIDELOG: "tidelog" },
      durableObjects: { OBJECT: { className: CLASSES.OBJECT, scriptName: "tidelog", useSQLite: true } },
    };
    // Before errors kept their members over RPC.
    const older = { ...consumer, name: "older", compatibilityDate: "2026-04-01" };
    workers.#miniflare = new Miniflare({
      host: "127.0.0.1", port: 0, cf: false, log: quiet(workers.output),
      handleRuntimeStdio: (...pipes) => pipes.forEach((pipe) => pipe.on("data", (data) => workers.output.push(String(data)))),
      workers: [tidelog, consumer, older],
    });
    workers.#url = (await workers.#miniflare.ready).origin;
    return workers;
  }

  /** Tidelog over HTTP. */
  http(method, path, body, headers = {}) {
    const type = body === undefined ? {} : { "content-type": "application/json" };
    const signal = AbortSignal.timeout(DEADLINE_MILLIS);
    return fetch(`${this.#url}${path}`, {
      signal, method, body, headers: { authorization: `Bearer ${TOKEN}`, ...type, ...headers },
    });
  }

  /** Runs a scenario of the consumer; its answer. */
  async ask(scenario, parameters, consumer = "consumer") {
    const worker = await this.#miniflare.getWorker(consumer);
    const asked = worker.fetch(`http://consumer/${scenario}?${new URLSearchParams(parameters)}`);
    return within(asked.then((answer) => answer.json()), scenario);
  }

  /** A WebSocket to Tidelog's front, or the answer that refuses it. */
  async socket(path) {
    const headers = { upgrade: "websocket", authorization: `Bearer ${TOKEN}` };
    return this.#miniflare.dispatchFetch(`http://tidelog${path}`, { headers });
  }

  /** One of the test variant's routes. */
  async test(what, actor, more = "") {
    const answer = await this.http("POST", `/test/${what}?actor=${encodeURIComponent(actor)}${more}`);
    if (!answer.ok) throw new Error(`${what}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? undefined : answer.json();
  }

  async stop() {
    await this.#miniflare.dispose();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
