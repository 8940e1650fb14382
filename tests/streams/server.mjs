// A `tidelog serve` process that can be killed and started again on the same port and data folder.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

const START_MILLIS = 60_000;

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return port;
}

export class Server {
  #binary;
  #data;
  #port = 0;
  #process;
  output = [];

  constructor(binary, data) {
    this.#binary = binary;
    this.#data = data;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start() {
    this.#port ||= await freePort();
    const listen = `127.0.0.1:${this.#port}`;
    const args = ["serve", "--data", this.#data, "--listen", listen];
    this.#process = spawn(this.#binary, args, { stdio: ["ignore", "pipe", "pipe"] });
    const listening = new Promise((resolve, reject) => {
      this.#read(this.#process.stdout, resolve);
      this.#read(this.#process.stderr, resolve);
      this.#process.once("error", reject);
      this.#process.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    });
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), START_MILLIS);
    await listening.finally(() => clearTimeout(timer));
  }

  #read(pipe, resolve) {
    createInterface({ input: pipe }).on("line", (line) => {
      this.output = [...this.output.slice(-100), line];
      if (line.includes(`listening on ${this.url}`)) resolve();
    });
  }

  async kill() {
    if (!this.#process || this.#process.exitCode !== null || this.#process.signalCode) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }
}
