// Requests as they are written: `fetch` would tidy up paths and headers that a case means.

import { request } from "node:http";

const ANSWER_MILLIS = 120_000;

/** Sends one request and resolves to the answer once its headers are there; the body is a stream. */
function open(url, { method, path, headers = {}, body }) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers, agent: false });
    sent.setTimeout(ANSWER_MILLIS, () => sent.destroy(new Error(`no answer to ${method} ${path}`)));
    sent.once("response", resolve);
    // A server may answer before it has read the whole body: the answer counts, not the broken pipe.
    sent.on("error", reject);
    if (Array.isArray(body)) {
      for (const chunk of body) sent.write(chunk);
      sent.end();
    } else {
      sent.end(body);
    }
  });
}

/** Sends one request and reads the whole answer. */
export async function send(url, wanted) {
  const response = await open(url, wanted);
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return new Answer(response, bytes.toString(), bytes);
}

/** An answer: status, headers by lower-case name, text, and the bytes it is of. */
export class Answer {
  constructor(response, text, bytes) {
    this.status = response.statusCode;
    this.headers = response.headers;
    this.text = text;
    this.bytes = bytes;
  }

  header(name) {
    return this.headers[name];
  }

  json() {
    return JSON.parse(this.text);
  }
}

/** Server-sent events that are read while other requests go on. */
export class EventStream {
  #response;
  #text = "";
  #grown = () => {};
  #ended = false;

  static async open(url, wanted) {
    const stream = new EventStream();
    stream.#response = await open(url, wanted);
    stream.#response.setEncoding("utf8");
    stream.#response.on("data", (text) => stream.#add(text));
    for (const end of ["end", "close", "error"]) stream.#response.on(end, () => stream.#end());
    return stream;
  }

  #add(text) {
    this.#text += text;
    this.#grown();
  }

  #end() {
    this.#ended = true;
    this.#grown();
  }

  /** Whole events so far; comments, which only keep the connection alive, are left out. */
  get frames() {
    const whole = this.#text.split("\n\n").slice(0, -1);
    return whole.filter((frame) => !frame.startsWith(":"));
  }

  /** Waits until there are so many events, or the stream ends. */
  async wait(count, millis = 20_000) {
    const deadline = Date.now() + millis;
    while (this.frames.length < count && !this.#ended) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`${this.frames.length} of ${count} events came:\n${this.#text}`);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#grown = () => (clearTimeout(timer), resolve());
      });
    }
  }

  close() {
    const text = this.frames.map((frame) => `${frame}\n\n`).join("");
    this.#response.destroy();
    return new Answer(this.#response, text);
  }
}
