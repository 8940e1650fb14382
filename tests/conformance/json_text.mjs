// JSON laid out for reading, without parsing it into values: member order and the spelling of numbers
// stay as sent (`JSON.parse` would lose 1.0 and reorder members).

const LINE_CHARS = 100;

/** Lays out one JSON text; members named in `left_out` are dropped at any depth. */
export function laidOut(text, leftOut = new Set()) {
  const reader = new Reader(text, leftOut);
  const tree = reader.value();
  if (reader.rest().trim() !== "") throw new SyntaxError(`more than one JSON text: ${reader.rest().slice(0, 80)}`);
  return printed(tree, "");
}

class Reader {
  #text;
  #at = 0;
  #leftOut;

  constructor(text, leftOut) {
    this.#text = text;
    this.#leftOut = leftOut;
  }

  rest() {
    return this.#text.slice(this.#at);
  }

  #next(pattern) {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (!found) throw new SyntaxError(`no JSON at ${this.#at}: ${this.rest().slice(0, 80)}`);
    this.#at = pattern.lastIndex;
    return found[1];
  }

  #takes(sign) {
    const at = this.#at + /^\s*/.exec(this.#text.slice(this.#at, this.#at + 1_000))[0].length;
    if (this.#text[at] !== sign) return false;
    this.#at = at + 1;
    return true;
  }

  /** A text for a scalar, `{sign: "[", items}` or `{sign: "{", items: [name, value] pairs}`. */
  value() {
    if (this.#takes("[")) return { sign: "[", items: this.#list("]", () => this.value()) };
    if (!this.#takes("{")) return this.#next(/\s*("[^"\\]*(?:\\.[^"\\]*)*"|[^\s,:[\]{}"]+)/gy);
    const items = this.#list("}", () => {
      const name = this.#next(/\s*("[^"\\]*(?:\\.[^"\\]*)*")\s*:/gy);
      return [name, this.value()];
    });
    return { sign: "{", items: items.filter(([name]) => !this.#leftOut.has(JSON.parse(name))) };
  }

  #list(end, item) {
    const items = [];
    if (this.#takes(end)) return items;
    do items.push(item());
    while (this.#takes(","));
    if (!this.#takes(end)) throw new SyntaxError(`no ${end} at ${this.#at}`);
    return items;
  }
}

function compact(tree) {
  if (typeof tree === "string") return tree;
  if (tree.sign === "[") return `[${tree.items.map(compact).join(", ")}]`;
  return `{${tree.items.map(([name, value]) => `${name}: ${compact(value)}`).join(", ")}}`;
}

function printed(tree, indent) {
  const line = compact(tree);
  if (typeof tree === "string" || line.length <= LINE_CHARS) return line;
  const inner = `${indent}  `;
  const [start, end] = tree.sign === "[" ? "[]" : "{}";
  const items = tree.items.map((item) =>
    tree.sign === "[" ? printed(item, inner) : `${item[0]}: ${printed(item[1], inner)}`,
  );
  return `${start}\n${items.map((item) => inner + item).join(",\n")}\n${indent}${end}`;
}
