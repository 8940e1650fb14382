// The embedded host: a `tidelog serve` process. Eviction is the strongest there is: SIGKILL and a new
// process on the same folder and port.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

import { ADMIN_TOKEN, FLUSH_MILLIS, PUSH_MILLIS } from "./pace.mjs";

const START_MILLIS = 60_000;

export class EmbeddedHost {
  name = "embedded";
  output = [];
  #folder;
  #port;
  #process;
  #token;
  #admin = true;
  #forgets = false;

  static async start() {
    const host = new EmbeddedHost();
    host.#folder = await mkdtemp(join(tmpdir(), "tidelog-conformance-"));
    host.#port = await freePort();
    await host.#spawn();
    return host;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  async #spawn() {
    const binary = resolve(process.env.TIDELOG_BIN ?? "target/debug/tidelog");
    const settings = [`lake.push_millis=${PUSH_MILLIS}`, `lake.flush_millis=${FLUSH_MILLIS}`];
    if (this.#forgets) settings.push("log_keep_seconds=0");
    const args = ["serve", "--data", join(this.#folder, "data"), "--listen", `127.0.0.1:${this.#port}`];
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TIDELOG_")));
    if (this.#token) env.TIDELOG_TOKEN = this.#token;
    if (this.#admin) env.TIDELOG_ADMIN_TOKEN = ADMIN_TOKEN;
    this.#process = spawn(binary, [...args, ...settings.flatMap((one) => ["--set", one])], {
      cwd: this.#folder, env, stdio: ["ignore", "pipe", "pipe"],
    });
    const listening = new Promise((done, reject) => {
      for (const pipe of [this.#process.stdout, this.#process.stderr]) this.#read(pipe, done);
      this.#process.once("error", reject);
      this.#process.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${this.output.join("\n")}`)));
    });
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), START_MILLIS);
    await listening.finally(() => clearTimeout(timer));
  }

  #read(pipe, listens) {
    createInterface({ input: pipe }).on("line", (line) => {
      this.output = [...this.output.slice(-100), line];
      if (line.includes(`listening on ${this.url}`)) listens();
    });
  }

  async #kill() {
    if (this.#process.exitCode !== null || this.#process.signalCode) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }

  /** Every actor loses its memory, whichever are named. */
  async evict(_actors) {
    await this.#kill();
    await this.#spawn();
  }

  /** The databases of a type's objects are lost. */
  async lose(type, _actors) {
    await this.#kill();
    await rm(join(this.#folder, "data", "objects", type), { recursive: true });
    await this.#spawn();
  }

  /** Starts again with a bearer token, or without one; with that of administrators unless `admin` is false;
   * with `forgets`, logs lose at once what the lake has. */
  async restart({ token, admin = true, forgets = false } = {}) {
    this.#token = token;
    this.#forgets = forgets;
    this.#admin = admin;
    await this.evict([]);
  }

  async exportBlobs(folder) {
    await cp(join(this.#folder, "data", "lake"), folder, { recursive: true });
  }

  async stop() {
    await this.#kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return port;
}
