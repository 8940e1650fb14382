// Between the platform's requests and answers and those of the Rust side.

import { awaited, problem } from "./instance.mjs";

/// Bodies up to this are read whole; longer or unmeasured ones are streamed.
const WHOLE_BYTES_MAX = 1_000_000;

const encoder = new TextEncoder();

/// The headers that the contract reads; the others need not cross.
const READ = [
  "authorization",
  "content-length",
  "content-type",
  "host",
  "idempotency-key",
  "if-match",
  "if-none-match",
  "range",
  "tidelog-actor",
  "tidelog-reason",
  "tidelog-stamp",
  "tidelog-warm",
  "traceparent",
  "x-correlation-id",
  "x-source",
];

export function headersOf(request) {
  const flat = [];
  for (const name of READ) {
    const value = request.headers.get(name);
    if (value !== null) flat.push(name, value);
  }
  return flat;
}

/// The body as bytes, as a stream's reader, or nothing.
export async function bodyOf(request) {
  if (!request.body) return undefined;
  const length = Number(request.headers.get("content-length") ?? NaN);
  if (length <= WHOLE_BYTES_MAX) return new Uint8Array(await request.arrayBuffer());
  return request.body.getReader();
}

/// Reads and drops what a refused body has left, within bounds, so that the client gets to read why:
/// one that is still sending would find its connection closed.
export async function drain(body) {
  if (typeof body?.read !== "function") return;
  const ends = Date.now() + DRAIN_MILLIS_MAX;
  let left = DRAIN_BYTES_MAX;
  try {
    for (;;) {
      const { value, done } = await body.read();
      left -= value?.length ?? 0;
      if (done || left <= 0 || Date.now() > ends) return;
    }
  } catch {
    // The client has gone: nobody is left to be told.
  }
}

const DRAIN_BYTES_MAX = 64_000_000;
const DRAIN_MILLIS_MAX = 10_000;

/// The platform's answer for `{status, headers, body}`.
export function responseOf({ status, headers, body }) {
  const pairs = [];
  for (let at = 0; at < headers.length; at += 2) pairs.push([headers[at], headers[at + 1]]);
  const empty = body === null || status === 204 || status === 304;
  const content = empty ? null : body instanceof Uint8Array ? body : streamOf(body);
  return new Response(content, { status, headers: pairs });
}

/// An answer that is made as fast as it is read.
function streamOf(live) {
  return new ReadableStream(
    {
      async pull(controller) {
        // A stream whose instance was lost breaks off: its reader comes again with its last offset.
        const chunk = await awaited(() => live.next());
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
    },
    { highWaterMark: 0 },
  );
}

/// What a client reads when its call's instance was lost or could not be made.
export function failureResponse(error) {
  if (!error.document) throw error;
  return problemResponse(error.document);
}

export function problemResponse(document) {
  const { status } = JSON.parse(document);
  return new Response(encoder.encode(document), {
    status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...(status === 503 && { "retry-after": "1" }),
      "x-content-type-options": "nosniff",
    },
  });
}

/// What became of an object whose stub failed: the problem document for its caller.
export function lostDocument(error) {
  if (error.overloaded) return problem("busy", `the object is overloaded: ${error.message}`);
  const message = "the object was reset; whether a write was done is not known";
  return problem("actor_reset", `${message}: ${error.message}`);
}
