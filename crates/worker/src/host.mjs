// The few things that are quicker, or only possible, on the JavaScript side of the boundary.

/// Starts a statement. Its cursor must not live across an await.
export function open(sql, text, args) {
  const cursor = sql.exec(text, ...args);
  return { cursor, rows: cursor.raw(), ended: false };
}

/// The next rows, about a megabyte of them; at the end what the statement cost is counted.
export function take(opened, meter) {
  const taken = [];
  for (let size = 0; size < CHUNK_BYTES; ) {
    const { value, done } = opened.rows.next();
    if (done) {
      opened.ended = true;
      meter.rowsRead += opened.cursor.rowsRead;
      meter.rowsWritten += opened.cursor.rowsWritten;
      break;
    }
    taken.push(value);
    for (const cell of value) size += 16 + (cell?.length ?? cell?.byteLength ?? 0);
  }
  return taken;
}

const CHUNK_BYTES = 1_000_000;

/// Runs a statement that returns no rows. Its arguments crossed as one: `texts` starts with a letter
/// for each (`n` a number, `0` null, `t` text), then come all texts; `slots` holds the numbers and, in
/// UTF-16 units, the lengths of the texts.
export function runPacked(sql, text, slots, texts, meter) {
  const count = slots.length;
  const args = new Array(count);
  let at = count;
  for (let slot = 0; slot < count; slot += 1) {
    const kind = texts.charCodeAt(slot);
    if (kind === NUMBER) args[slot] = slots[slot];
    else if (kind === NULL) args[slot] = null;
    else args[slot] = texts.slice(at, (at += slots[slot]));
  }
  const cursor = sql.exec(text, ...args);
  meter.rowsRead += cursor.rowsRead;
  meter.rowsWritten += cursor.rowsWritten;
}

const NUMBER = "n".charCodeAt(0);
const NULL = "0".charCodeAt(0);

/// Runs `body` in `transactionSync`. What it throws undoes everything and comes back as an error.
export function transact(storage, body) {
  storage.transactionSync(body);
}

/// True for the exception with which a WebAssembly instance ends: its memory is not to be trusted.
export function isTrap(error) {
  return error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
}

/// Asks another actor: a message as JSON, perhaps with bytes; the reply is JSON text.
export function ask(namespace, name, message, bytes) {
  return namespace.get(namespace.idFromName(name)).ask(message, bytes);
}

/// The next chunk of a request's body, `undefined` at its end.
export async function chunk(reader) {
  const { value, done } = await reader.read();
  return done ? undefined : value;
}

export function answer(status, headers, body) {
  return { status, headers, body };
}

export function entropy() {
  return crypto.getRandomValues(new Uint8Array(16));
}

/// Told before a panic ends the instance; `entry.mjs` sets it.
export function panicked(message, text) {
  globalThis.__tidelogPanicked?.(message, text);
}

/// Told whose actor runs; `instance.mjs` sets it.
export function acting(call) {
  globalThis.__tidelogActing?.(call);
}

// Not awaited: the alarm is one write with the statements before it.
export function setAlarm(storage, at) {
  quietly(() => storage.setAlarm(at));
}

export function deleteAlarm(storage) {
  quietly(() => storage.deleteAlarm());
}

/// A failure here means that the platform is resetting the actor: its next start looks for work.
async function quietly(act) {
  try {
    await act();
  } catch (error) {
    console.error("tidelog: the alarm could not be changed:", error);
  }
}

export function getAlarm(storage) {
  return storage.getAlarm();
}

/// Settles once everything written so far is durable.
export function sync(storage) {
  return storage.sync();
}

/// Sends an object a request, and reads its whole answer.
export async function forward(namespace, name, method, target, headers, body) {
  const stub = namespace.get(namespace.idFromName(name));
  const pairs = [];
  for (let at = 0; at < headers.length; at += 2) pairs.push([headers[at], headers[at + 1]]);
  const content = method === "GET" ? undefined : body;
  const response = await stub.fetch(`https://object${target}`, { method, headers: pairs, body: content });
  return { status: response.status, headers: [...response.headers].flat(), body: new Uint8Array(await response.arrayBuffer()) };
}

/// The cache of this data center. Opened each time: what one request has opened is not another's.
const edge = () => caches.open("tidelog");

export async function cacheGet(url) {
  try {
    const found = await (await edge()).match(url);
    if (found === undefined) return undefined;
    const [media, note] = ["content-type", "tidelog-note"].map((name) => found.headers.get(name) ?? "");
    return [new Uint8Array(await found.arrayBuffer()), media, note];
  } catch {
    return undefined;
  }
}

export async function cachePut(url, body, media, note, seconds) {
  try {
    const headers = { "content-type": media, "cache-control": `max-age=${seconds}`, "tidelog-note": note };
    await (await edge()).put(url, new Response(body, { headers }));
  } catch {
    // It is not kept, then.
  }
}

export async function cacheDelete(url) {
  try {
    await (await edge()).delete(url);
  } catch {
    // Its time will come.
  }
}
