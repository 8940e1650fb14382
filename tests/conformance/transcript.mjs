// What a case asked and was answered, as text: the thing two hosts are compared by.

import { laidOut } from "./json_text.mjs";
import { Mask, OWN_MEMBERS } from "./mask.mjs";

/** The headers that are part of the contract, in the order they are shown. */
const HEADERS = [
  "content-type", "etag", "location", "allow", "retry-after", "www-authenticate", "cache-control",
  "stream-next-offset", "stream-up-to-date", "stream-closed", "stream-cursor",
  "tidelog-cache", "tidelog-offset", "idempotency-replayed", "content-security-policy", "x-content-type-options", "cross-origin-resource-policy",
];
const REQUEST_CHARS = 300;

export class Transcript {
  #lines = [];
  #mask = new Mask();

  get text() {
    return `${this.#lines.join("\n")}\n`;
  }

  note(text) {
    this.#lines.push(`# ${this.#mask.apply(text)}`);
  }

  /** Text of the host that is compared, such as the rows of a table: one JSON a line. */
  rows(title, rows) {
    this.note(title);
    for (const row of rows) this.#lines.push(this.#json(row));
    this.#lines.push("");
  }

  /** One request and its answer. `own`: members of this answer that are the host's; `shown`: what
   * stands for the body, where the whole of it would say no more; `hidden`: headers that depend on pace. */
  step({ method, path, headers = {}, body, own = [], shown, hidden = [] }, answer) {
    this.#lines.push(`> ${method} ${this.#mask.apply(shortened(path))}`);
    for (const [name, value] of Object.entries(headers)) this.#lines.push(`> ${name}: ${this.#mask.apply(shortened(value))}`);
    if (body !== undefined) this.#request(body);
    this.#lines.push(`< ${answer.status}`);
    for (const name of HEADERS.filter((one) => !hidden.includes(one))) this.#header(name, answer.header(name));
    const text = shown ? JSON.stringify(shown(answer)) : answer.text;
    if (text !== "") this.#lines.push(this.#body(text, shown ? "application/json" : answer.header("content-type"), own));
    this.#lines.push("");
  }

  #request(body) {
    const text = Array.isArray(body) ? body.join("") : body.toString();
    this.#mask.knows(text);
    this.#lines.push(`> ${this.#mask.apply(shortened(text)).trimEnd().replaceAll("\n", "\n> ")}`);
  }

  #header(name, value) {
    if (value === undefined) return;
    this.#lines.push(`< ${name}: ${name === "stream-cursor" ? "<cursor>" : this.#mask.apply(value)}`);
  }

  #body(text, type = "", own = []) {
    if (type.startsWith("application/x-ndjson")) {
      return text.split("\n").filter(Boolean).map((line) => this.#json(line)).join("\n");
    }
    return /[/+]json/.test(type) ? this.#json(text, own) : this.#mask.apply(text).trimEnd();
  }

  #json(text, own = []) {
    const masked = this.#mask.apply(text);
    try {
      return laidOut(masked, new Set([...OWN_MEMBERS, ...own]));
    } catch (error) {
      return `not JSON (${error.message}): ${masked}`;
    }
  }
}

function shortened(text) {
  if (text.length <= REQUEST_CHARS) return text;
  return `${text.slice(0, REQUEST_CHARS)}... (${Buffer.byteLength(text)} bytes)`;
}
