// The cache in front of the objects: which requests it may answer, and typed calls through it.

import { TidelogError, segment } from "./calls.mjs";
import { bodyOf, drain, headersOf, lostDocument, problemResponse, responseOf } from "./http.mjs";
import { Held } from "./instance.mjs";

/// Queries up to this are read here, to see whether the cache may answer them; longer ones it may not.
const WARM_QUERY_BYTES_MAX = 64_000;
const CACHE_ENTRY = /^\/v1\/objects\/[^/]+\/[^/]+\/cache\//;
/// Answers that show what was counted of an object's reads.
const SHOWS_FIGURES = /^\/v1\/objects\/[^/]+\/[^/]+\/(state|sync)$/;

const decoder = new TextDecoder();
const fronts = new WeakMap();

/// The front of one environment; the isolate keeps it.
export function frontOf(env) {
  if (!fronts.has(env)) fronts.set(env, new Held((wasm) => new wasm.Front(env)));
  return fronts.get(env);
}

export function stubOf(env, name) {
  return env.OBJECT.get(env.OBJECT.idFromName(name));
}

/// True for the entries that users put beside an object: the cache alone has them.
export function isCacheEntry(url) {
  return CACHE_ENTRY.test(url.pathname);
}

/// A request for an object: whether the cache may answer it, what was read of its body for that, and
/// the request as it goes on to the object.
export async function lookedAt(request, url) {
  if (isCacheEntry(url)) return { warm: true, body: await bodyOf(request), onwards: request };
  if (request.method === "POST" && url.pathname.endsWith("/query")) {
    const length = Number(request.headers.get("content-length") ?? NaN);
    if (!(length <= WARM_QUERY_BYTES_MAX)) return { warm: false, onwards: request };
    const { method, headers } = request;
    const body = new Uint8Array(await request.arrayBuffer());
    const onwards = new Request(request.url, { method, headers, body });
    return { warm: decoder.decode(body).includes('"warm"'), body, onwards };
  }
  const reads = request.method === "GET" || request.method === "HEAD";
  return { warm: reads && url.searchParams.get("consistency") === "warm", onwards: request };
}

/// Answers a request, or has the object answer it.
export async function answered(env, request, url, body, onwards) {
  const reads = !isCacheEntry(url) && body?.read === undefined;
  const answer = await frontOf(env).call(reads, (front) =>
    front.fetch(request.method, url.pathname, url.search.slice(1), headersOf(request), body),
  );
  if (typeof answer === "string") return await forward(env, answer, onwards);
  if (answer.status >= 400) await drain(body);
  return responseOf(answer);
}

export async function forward(env, name, request) {
  const counted = SHOWS_FIGURES.test(new URL(request.url).pathname);
  const figures = counted ? frontOf(env).now((front) => front.takeFigures(name)) : undefined;
  const told = figures === undefined ? request : withHeader(request, "tidelog-warm", figures);
  try {
    return await stubOf(env, name).fetch(told);
  } catch (error) {
    return problemResponse(lostDocument(error));
  }
}

function withHeader(request, name, value) {
  const headers = new Headers(request.headers);
  headers.set(name, value);
  return new Request(request, { headers });
}

/// How typed calls are sent so that the cache may answer them. Who holds a binding needs no token.
export function sender(env, name) {
  const [, , type, id] = name.split("/");
  return async ({ method, path, query, headers, body }) => {
    const pairs = env.TIDELOG_TOKEN ? [...headers, "authorization", `Bearer ${env.TIDELOG_TOKEN}`] : headers;
    const target = `/v1/objects/${segment(type)}/${segment(id)}/${path}`;
    let answer;
    try {
      answer = await frontOf(env).call(true, (front) => front.fetch(method, target, query, pairs, body));
    } catch (error) {
      if (!error.document) throw error;
      throw new TidelogError(JSON.parse(error.document));
    }
    return typeof answer === "string" ? await asked(env, answer, { method, target, query, pairs, body }) : answer;
  };
}

/// The object's own answer, in the form of the front's.
async function asked(env, name, { method, target, query, pairs, body }) {
  const headers = new Headers();
  for (let at = 0; at < pairs.length; at += 2) headers.append(pairs[at], pairs[at + 1]);
  const response = await forward(env, name, new Request(`https://object${target}?${query}`, { method, headers, body }));
  return {
    status: response.status,
    headers: [...response.headers].flat(),
    body: new Uint8Array(await response.arrayBuffer()),
  };
}
