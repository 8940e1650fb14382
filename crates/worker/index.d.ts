// The typed calls of Tidelog's Worker. Bind it and call objects:
//
//   # wrangler.toml of the calling Worker
//   [[services]]
//   binding = "TIDELOG"
//   service = "tidelog"
//
//   const flights = env.TIDELOG.object("airport", "JFK");
//   await flights.insert("flights", { id: "UA1", dep_delay: 2 });
//
// Errors are thrown as `TidelogError`; its `message` starts with the stable code.

/// <reference types="@cloudflare/workers-types" />

export type Json = null | boolean | number | string | Json[] | { [member: string]: Json };

/** A document: the declared fields of its collection, and any others. */
export type Document = { [member: string]: Json };

/** Who asks, why, and which key makes a write safe to repeat. */
export interface CallOptions {
  /** A repeat with the same key and the same content is answered, not done again (24 hours). */
  idempotencyKey?: string;
  /** The calling system, kept with the change. */
  source?: string;
  /** Joins this turn to others across objects. */
  correlationId?: string;
  /** W3C trace context. */
  traceparent?: string;
}

export interface VersionedOptions extends CallOptions {
  /** Only if the document is at this version; 0: only if there is none. */
  ifVersion?: number;
}

export interface Written {
  key: string;
  /** The sequence of the document's last event. */
  version: number;
  operation: "INSERT" | "UPDATE" | "DELETE" | "NONE";
}

/** What a write answers, once it is durable. */
export interface TurnReply {
  /** Where a reader stands who has seen this turn. */
  offset: string;
  written: Written[];
  /** True when an idempotency key was seen before and nothing was done again. */
  replayed: boolean;
}

export interface Found {
  key: string;
  version: number;
  document: Document;
}

/** One change of several that are one turn. */
export type Mutation =
  | { op: "insert"; collection: string; document: Document }
  | { op: "upsert"; collection: string; document: Document; ifVersion?: number }
  | { op: "update"; collection: string; key: string; patch: Document; ifVersion?: number }
  | { op: "delete"; collection: string; key: string; ifVersion?: number };

/** A query as `docs/queries.md` describes it. */
export interface Query {
  where?: Json;
  select?: string[];
  orderBy?: Json;
  limit?: number;
  after?: string;
  groupBy?: Json;
  aggregate?: Json;
  timeRange?: Json;
  partitions?: Json;
  atLeast?: string;
}

export interface QueryAnswer {
  rows: Document[];
  /** The cursor of the next page, if there is one. */
  next?: string;
  /** The newest event the rows include. */
  offset: string;
}

export interface ChangesOptions {
  /** Where to start: an offset, "-1" for the beginning, "now" for the end. */
  offset?: string;
  collections?: string[];
  operations?: ("INSERT" | "UPDATE" | "DELETE")[];
  /** For updates: the changed fields of `before`, or all of it. */
  images?: "changed" | "full";
  /** Most events of a page. */
  limit?: number;
}

/** One change. */
export interface ChangeEvent {
  id: string;
  operation: "INSERT" | "UPDATE" | "DELETE";
  collection: string;
  documentId: string;
  timestamp: string;
  sequence: number;
  epoch: number;
  schemaVersion: number;
  before?: Document;
  after?: Document;
  changedFields?: string[];
  source?: string;
  correlationId?: string;
  turn: { id: string; index: number; count: number; cause?: string };
}

export interface ChangesPage {
  events: ChangeEvent[];
  /** Where the next read starts; keep it to resume. */
  nextOffset: string;
  upToDate: boolean;
  /** The object was deleted and this is the end of its log. */
  closed: boolean;
}

/** Where an object and its lake tables stand; `docs/http.md` has every member. */
export interface ObjectState {
  type: string;
  id: string;
  status: "active" | "deleting" | "deleted";
  epoch: number;
  head: number;
  headOffset: string;
  documents: { [collection: string]: number };
  lake: {
    collection: string;
    accepted: number;
    committed: number;
    lagEvents: number;
    lagMillis: number;
    error?: string;
  }[];
  [member: string]: Json;
}

/** The calls of one object, on its Durable Object stub and on {@link ObjectClient}. */
export interface ObjectCalls {
  /** Adds a document, or an array of them as one turn; their keys must be free. */
  insert(collection: string, documents: Document | Document[], options?: CallOptions): Promise<TurnReply>;
  /** Adds documents or replaces those of the same key. */
  upsert(collection: string, documents: Document | Document[], options?: CallOptions): Promise<TurnReply>;
  /** Adds or replaces the document with this key. */
  put(collection: string, key: string, document: Document, options?: VersionedOptions): Promise<TurnReply>;
  /** Merges a patch (RFC 7396) into a document. */
  update(collection: string, key: string, patch: Document, options?: VersionedOptions): Promise<TurnReply>;
  delete(collection: string, key: string, options?: VersionedOptions): Promise<TurnReply>;
  /** Several changes over collections as one turn: all of them or none. */
  batch(mutations: Mutation[], options?: CallOptions): Promise<TurnReply>;
  /** Reads a document; `null` when there is none. */
  get(collection: string, key: string): Promise<Found | null>;
  query(collection: string, query?: Query): Promise<QueryAnswer>;
  /** Every row of a query, however many: a stream of JSON documents, one a line. */
  rows(collection: string, query?: Query): Promise<ReadableStream<Uint8Array>>;
  /** One page of the log; with `live` it waits until there is something new or some 20 s are over. */
  changes(options?: ChangesOptions & { live?: boolean }): Promise<ChangesPage>;
  /** Follows the log: a stream of {@link ChangesPage}, one JSON document a line, no faster than it is read. */
  subscribe(options?: ChangesOptions): Promise<ReadableStream<Uint8Array>>;
  /** Calls `callback` with page after page, each after the last one's answer, until it answers `false`. */
  follow(
    options: ChangesOptions,
    callback: (page: ChangesPage) => void | boolean | Promise<void | boolean>,
  ): Promise<string | undefined>;
  state(): Promise<ObjectState>;
  /** Answers once everything up to the present head is committed in the lake. */
  sync(tier?: "cold"): Promise<ObjectState>;
  deleteObject(options?: CallOptions): Promise<ObjectState>;
}

/**
 * An object as other Workers hold it. Reads, `subscribe` and `follow` go on when the object was
 * evicted or moved; a write that fails with `actor_reset` is repeated with its idempotency key.
 */
export interface ObjectClient extends ObjectCalls {}

/** The binding: `env.TIDELOG`. */
export interface Tidelog {
  object(type: string, id: string): ObjectClient;
  fetch(request: Request | string, init?: RequestInit): Promise<Response>;
}

/** An error with its stable code, as it is thrown over RPC. */
export interface TidelogError extends Error {
  name: "TidelogError";
  /** `<code>: <what is wrong>`, then a line with the problem document of `docs/http.md`. */
  message: string;
}
