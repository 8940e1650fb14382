// The Cloudflare host: the Worker's test variant on workerd, through Miniflare's API. Objects and R2
// are kept in a temporary folder, so a restart finds them again.

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { send } from "../http.mjs";
import { ADMIN_TOKEN, FLUSH_MILLIS, PUSH_MILLIS } from "./pace.mjs";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const ENTRY = join(ROOT, "tests/worker/entry.mjs");
/** The production Worker, and the same with the actors of examples/rooms. */
const MODULE = join(ROOT, "crates/worker/build");
export const ROOMS_MODULE = join(ROOT, ".cache/worker-rooms/build");
const CLASSES = { OBJECT: "TidelogObject", TABLE: "TidelogTable", CATALOG: "TidelogCatalog", REGISTRY: "TidelogRegistry" };
const CATALOG = "default/catalog/tables/0/0";
const LONG_POLL_MILLIS = 3_000;

export class WorkerHost {
  name = "worker";
  output = [];
  #folder;
  #kept;
  #miniflare;
  #options;
  #url;

  /** `folder` outlives the host when it is given; `bindings` are added to those of the suite. */
  static async start({ entry = ENTRY, folder, bindings = {}, module = MODULE } = {}) {
    const { Miniflare, Log } = await import("miniflare");
    const host = new WorkerHost();
    host.#kept = folder !== undefined;
    host.#folder = folder ?? (await mkdtemp(join(tmpdir(), "tidelog-conformance-")));
    host.#options = await options({ entry, folder: host.#folder, module }, host.#log(Log));
    Object.assign(host.#options.bindings, bindings);
    host.#miniflare = new Miniflare(host.#options);
    host.#url = (await host.#miniflare.ready).origin;
    return host;
  }

  #log(Log) {
    const keep = (line) => (this.output = [...this.output.slice(-100), line]);
    return new (class extends Log {
      log(message) {
        keep(message);
      }
    })();
  }

  get url() {
    return this.#url;
  }

  /** The instances of these actors, and of the catalog, are torn down; what they stored stays. */
  async evict(actors) {
    for (const actor of [...actors, CATALOG]) await this.test("evict", actor);
  }

  /** The databases of a type's objects are lost. */
  async lose(_type, actors) {
    for (const actor of actors) await this.test("lose", actor);
  }

  /** One of the test variant's own routes; the status must be 204. */
  async test(what, actor, more = "") {
    const headers = this.#options.bindings.TIDELOG_TOKEN && { authorization: `Bearer ${this.#options.bindings.TIDELOG_TOKEN}` };
    const path = `/test/${what}?actor=${encodeURIComponent(actor)}${more}`;
    const answer = await send(this.url, { method: "POST", path, headers: headers || {} });
    if (answer.status !== 204) throw new Error(`POST ${path}: ${answer.status} ${answer.text}`);
  }

  /** A stub of an object, as another Worker would have it. */
  async stub(actor) {
    const namespace = await this.#miniflare.getDurableObjectNamespace("OBJECT");
    return namespace.get(namespace.idFromName(actor));
  }

  /** Starts again with a bearer token, or without one; with that of administrators unless `admin` is false. */
  async restart({ token, admin = true, forgets = false } = {}) {
    const { TIDELOG_TOKEN: _, TIDELOG_ADMIN_TOKEN: __, TIDELOG_LOG_KEEP_MILLIS: ___, ...bindings } = this.#options.bindings;
    if (forgets) bindings.TIDELOG_LOG_KEEP_MILLIS = "0";
    if (token) bindings.TIDELOG_TOKEN = token;
    if (admin) bindings.TIDELOG_ADMIN_TOKEN = ADMIN_TOKEN;
    this.#options = { ...this.#options, bindings };
    await this.#miniflare.setOptions(this.#options);
    this.#url = (await this.#miniflare.ready).origin;
  }

  async exportBlobs(folder) {
    const bucket = await this.#miniflare.getR2Bucket("LAKE");
    for (let cursor; ; ) {
      const page = await bucket.list({ cursor });
      for (const { key } of page.objects) {
        const file = join(folder, key);
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, Buffer.from(await (await bucket.get(key)).arrayBuffer()));
      }
      if (!page.truncated) return;
      cursor = page.cursor;
    }
  }

  /** The largest blob of the bucket: its size in bytes and its etag. */
  async largestBlob() {
    const bucket = await this.#miniflare.getR2Bucket("LAKE");
    const { objects } = await bucket.list({ limit: 1_000 });
    return objects.reduce((largest, { size, etag }) => (size > largest.size ? { size, etag } : largest), { size: 0, etag: "" });
  }

  async stop() {
    await this.#miniflare.dispose();
    if (!this.#kept) await rm(this.#folder, { recursive: true, force: true });
  }
}

async function options({ entry, folder, module }, log) {
  if (!existsSync(entry)) throw new Error(`there is no ${entry}`);
  const { date, flags } = await compatibility();
  const durableObjects = Object.entries(CLASSES).map(([binding, className]) => [binding, { className, useSQLite: true }]);
  return {
    host: "127.0.0.1",
    port: 0,
    log,
    cf: false,
    handleRuntimeStdio: (out, err) => [out, err].forEach((pipe) => pipe.on("data", (data) => log.log(String(data)))),
    modules: await bundled(entry, folder, module),
    modulesRoot: folder,
    compatibilityDate: date,
    compatibilityFlags: flags,
    durableObjects: Object.fromEntries(durableObjects),
    durableObjectsPersist: join(folder, "objects"),
    r2Buckets: ["LAKE"],
    r2Persist: join(folder, "r2"),
    bindings: {
      TIDELOG_PUSH_MILLIS: String(PUSH_MILLIS),
      TIDELOG_FLUSH_MILLIS: String(FLUSH_MILLIS),
      TIDELOG_LONG_POLL_MILLIS: String(LONG_POLL_MILLIS),
      TIDELOG_WAREHOUSE: "tidelog",
      TIDELOG_ADMIN_TOKEN: ADMIN_TOKEN,
    },
  };
}

/** Date and flags as production has them; of TOML only two lines are needed. */
async function compatibility() {
  const file = join(ROOT, "wrangler.toml");
  const toml = existsSync(file) ? await readFile(file, "utf8") : "";
  const date = /^compatibility_date\s*=\s*"([^"]+)"/m.exec(toml)?.[1];
  const flags = /^compatibility_flags\s*=\s*\[([^\]]*)\]/m.exec(toml)?.[1] ?? "";
  if (!date) throw new Error("wrangler.toml names no compatibility_date");
  return { date, flags: [...flags.matchAll(/"([^"]+)"/g)].map(([, flag]) => flag) };
}

/** One script, and the wasm modules it imports beside it, as wrangler would deploy them. */
async function bundled(entry, folder, module) {
  const { build } = await import(esbuild());
  const wasm = [];
  await build({
    entryPoints: [entry], outfile: join(folder, "worker.mjs"), bundle: true, format: "esm", target: "es2022",
    external: ["cloudflare:*", "node:*"], conditions: ["workerd", "worker", "browser"], logLevel: "error",
    plugins: [
      { name: "module", setup: (setup) => takeModule(setup, module) },
      { name: "wasm", setup: (setup) => keepWasm(setup, folder, module, wasm) },
    ],
  });
  const script = await readFile(join(folder, "worker.mjs"), "utf8");
  return [{ type: "ESModule", path: join(folder, "worker.mjs"), contents: script }, ...wasm];
}

/** Takes the built module from this folder. */
function takeModule(setup, module) {
  const filter = /^\.\/build\/tidelog\.js$/;
  setup.onResolve({ filter }, ({ path }) => ({ path: join(module, path.slice("./build/".length)) }));
}

function keepWasm(setup, folder, module, wasm) {
  setup.onResolve({ filter: /\.wasm(\?module)?$/ }, async ({ path, resolveDir }) => {
    const file = path.startsWith("./build/") ? join(module, path.slice("./build/".length)) : join(resolveDir, path.replace("?module", ""));
    const name = `${wasm.length}.wasm`;
    wasm.push({ type: "CompiledWasm", path: join(folder, name), contents: await readFile(file) });
    return { path: `./${name}`, external: true };
  });
}

/** wrangler brings esbuild, as a package of its own or beside itself. */
function esbuild() {
  const here = createRequire(import.meta.url);
  try {
    return here.resolve("esbuild");
  } catch {
    return createRequire(here.resolve("wrangler/package.json")).resolve("esbuild");
  }
}
