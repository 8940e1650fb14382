// Replaces what may differ between two runs, and nothing else: times near now, epochs, hashes and
// ids that the host made, ports, and the host's own figures. What stands for one value everywhere is
// numbered by first appearance (E1, H1, U1, S1), so that equality is still compared.

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** Members whose values are the host's own; they are left out wholly, as the other host may lack them. */
export const OWN_MEMBERS = new Set(["costs", "database", "memory"]);

export class Mask {
  #from = Date.now() - MINUTE;
  #names = { E: new Map(), H: new Map(), U: new Map(), S: new Map() };
  #sent = new Set();

  /** Remembers ids and hashes of a request: the host did not make them, so they stay. One that it had
   * answered before is its own still. */
  knows(text) {
    for (const [id] of text.matchAll(/[0-9a-f-]{36}|[0-9a-f]{64}/gi)) {
      if (!this.#names.U.has(id) && !this.#names.H.has(id)) this.#sent.add(id);
    }
  }

  /** Masks a text; JSON stays JSON in form. */
  apply(text) {
    return text
      .replace(/\b(\d{16})_(\d{16})\b/g, (all, epoch, sequence) => this.#place(all, epoch, sequence))
      .replace(/\/(\d{13})_(\d+)\b/g, (all, epoch, sequence) => `/${this.#place(all.slice(1), epoch, sequence)}`)
      .replace(/("_?epoch":\s*)(\d+)/g, (all, name, epoch) => (this.#near(epoch) ? name + this.#name("E", Number(epoch)) : all))
      .replace(/\b\d{13}\b/g, (all) => (this.#near(all) ? "<millis>" : all))
      .replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)/g, (all) => (this.#near(Date.parse(all)) ? "<time>" : all))
      .replace(/\b[0-9a-f]{64}\b/g, (all) => this.#made("H", all))
      .replace(/\b\d{5}-[0-9a-f-]{36}-\d+(?=\.metadata\.json)/g, "<commit>")
      .replace(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, (all) => this.#made("U", all))
      .replace(/("(?:current-|parent-)?snapshot-id":\s*)(\d+)/g, (_, name, id) => name + this.#name("S", id))
      .replace(/("[a-z-]+-files-size":\s*)"\d+"/g, "$1<bytes>")
      .replace(/("(?:lagMillis|millis)":\s*)\d+/g, "$1<millis>")
      .replace(/("streamCursor":\s*)"\d+"/g, "$1<cursor>")
      .replace(/\b(127\.0\.0\.1|localhost):\d+\b/g, "<host>");
  }

  #place(all, epoch, sequence) {
    return this.#near(epoch) ? `${this.#name("E", Number(epoch))}_${Number(sequence)}` : all;
  }

  /** Whether it is a time that a clock gave during this run, or a timer set from one. */
  #near(millis) {
    return this.#from < Number(millis) && Number(millis) < Date.now() + 8 * DAY;
  }

  #made(kind, value) {
    return this.#sent.has(value) ? value : this.#name(kind, value);
  }

  #name(kind, value) {
    const names = this.#names[kind];
    if (!names.has(value)) names.set(value, `${kind}${names.size + 1}`);
    return names.get(value);
  }
}
