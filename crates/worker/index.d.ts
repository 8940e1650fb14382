// The typed calls of Tidelog's Worker. Bind it and call objects:
//
//   # wrangler.toml of the calling Worker
//   [[services]]
//   binding = "TIDELOG"
//   service = "tidelog"
//
//   using flights = env.TIDELOG.object("airport", "JFK");
//   await flights.insert("flights", { id: "UA1", dep_delay: 2 });
//
// docs/cloudflare.md says more, and how to bind the Durable Objects themselves.

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
  | { op: "put"; collection: string; key: string; document: Document; ifVersion?: number }
  | { op: "update"; collection: string; key: string; patch: Document; ifVersion?: number }
  | { op: "delete"; collection: string; key: string; ifVersion?: number };

/** A query as `docs/queries.md` describes it. */
export interface Query {
  where?: { [fieldOrOperator: string]: Json };
  select?: string[];
  orderBy?: (string | { field: string; desc?: boolean })[];
  limit?: number;
  after?: string;
  groupBy?: (string | { field: string; bucket?: string; as?: string })[];
  aggregate?: { [output: string]: { [aggregateFunction: string]: string } };
  timeRange?: { field?: string; from?: string; to?: string };
  partitions?: { [column: string]: Json };
  /** Where the answer may come from; `docs/caching.md`. */
  consistency?: Consistency;
  /** An offset that the answer must have seen. */
  atLeast?: string;
}

/**
 * `strong`: the object's answer, now. `warm`: also a kept one that is younger than the collection's
 * TTL, when it is asked through `env.TIDELOG` (a stub of `env.OBJECT` is the object itself).
 */
export type Consistency = "strong" | "warm";

export interface ReadOptions {
  consistency?: Consistency;
  /** "cold": the document as the lake has it, until its next commit; goes without `consistency`. */
  tier?: "hot" | "cold";
  /** An offset that the answer must have seen, such as a write's: read your writes. */
  atLeast?: string;
}

/** An entry of the cache beside an object. */
export interface CacheEntry {
  body: Uint8Array;
  contentType: string;
  /** Whole seconds since it was put. */
  age: number;
}

export interface CachePutOptions {
  /** Given back with the entry; `application/octet-stream` unless said. */
  contentType?: string;
  /** How long to keep it: seconds, or text such as "5m", "2h", "7d"; the type's default TTL unless said. */
  ttl?: number | string;
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
  /** Where a reader stands who has seen this event. */
  offset: string;
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
  /** Empty when the caller did not say. */
  source: string;
  correlationId?: string;
  /** `id` is the sequence of the turn's first event. */
  turn: { id: number; index: number; count: number; cause?: string };
}

export interface ChangesPage {
  events: ChangeEvent[];
  /** Where the next read starts; keep it to resume. */
  nextOffset: string;
  upToDate: boolean;
  /** The object was deleted and this is the end of its log. */
  closed: boolean;
}

/** Where one lake table stands for this object. */
export interface LakeState {
  collection: string;
  accepted: number;
  committed: number;
  lagEvents: number;
  lagMillis: number;
  error?: string | null;
}

/** What was used, in the units that are billed. */
export interface Meter {
  rowsRead: number;
  rowsWritten: number;
  requests: number;
  alarms: number;
  r2ClassA: number;
  r2ClassB: number;
  storedBytes: number;
  lakeBytes: number;
  events: number;
}

/** The meter in US dollars; `docs/http.md`, "What it costs". */
export interface Costs {
  meter: Meter;
  dollars: { rowsRead: number; rowsWritten: number; requests: number; r2ClassA: number; r2ClassB: number; total: number };
  dollarsPerMillionEvents: number | null;
  monthlyDollarsStored: number;
  pricesOf: string;
}

/** How far a tier is behind an object's head: events, and the age of the oldest in milliseconds. */
export interface TierLag {
  events: number;
  millis: number;
}

/** The cache's part in an object, since the object and the isolates in front of it were loaded. */
export interface WarmState {
  lagEvents: number;
  /** Age of the oldest event that is not pushed, milliseconds. */
  lagMillis: number;
  hits: number;
  misses: number;
  /** Found, but too old or before `atLeast`. */
  stale: number;
  ageMillisTotal: number;
  ageMillisMax: number;
}

/** A message that its receiver refused, or that nobody took for a week. */
export interface FailedMessage {
  number: number;
  /** `type/id` of who was to take it. */
  to: string;
  message: string;
  code: string;
  detail: string;
  at: string;
  body?: Json;
}

/** Where an object and its lake tables stand. */
export interface ObjectState {
  type: string;
  id: string;
  status: "active" | "deleting" | "deleted";
  epoch: number;
  head: number;
  headOffset: string;
  headHash: string;
  headTimestamp: string;
  earliest: number;
  schemaVersion: number;
  documents: { [collection: string]: number };
  /** What is folded into blobs, of the collections that have folded. */
  folded: { collection: string; documents: number; blobs: number; bytes: number; rawBytes: number; masked: number }[];
  /** All blobs, those included that only the log needs. */
  blobs: { count: number; bytes: number };
  /** Bytes as they are stored; `segments` hold the old records. */
  log: { records: number; bytes: number; segments: number; segmentBytes: number };
  /** Bytes in use, and `hot.max_size`. */
  database: { bytes: number; maxBytes: number };
  /** What to see to before it is an error: `object_nearly_full`. */
  warnings: { code: string; message: string }[];
  /** How far each tier is, and how far behind the head; null where a tier is off. Not in the answer of `deleteObject`. */
  lastHotSequence?: number;
  lastWarmSequence?: number | null;
  lastColdSequence?: number | null;
  lag?: { warm: TierLag | null; cold: TierLag | null };
  cursors: { destination: string; committed: number; updated: number }[];
  lake: LakeState[];
  /** Timers; `error` of an actor's that failed. */
  wakes: { name: string; next: string; attempts: number; error?: string }[];
  /** Of an object with an actor: messages not delivered yet. */
  outbox?: { waiting: number };
  /** The last event that `on_change` was given. */
  followed?: number;
  /** The newest 100 messages that were given up; long bodies are left out. */
  failedMessages?: FailedMessage[];
  warm?: WarmState;
  /** Not in the answer of `deleteObject`. */
  costs?: Costs;
  memory?: { wasmBytes: number };
}

/** Who asks and why, for the audit log; who stands for `source`, where that is not said. */
export interface AdminOptions {
  actor?: string;
  reason?: string;
  source?: string;
}

export interface SnapshotOptions extends AdminOptions {
  /** `full` unless said. */
  kind?: "full" | "incremental";
  /** What an incremental builds on; the newest unless said. */
  parent?: string;
  /** Kept with the snapshot, at most 256 bytes. */
  note?: string;
}

/** `docs/snapshots.md` says what each member means. */
export interface Snapshot {
  id: string;
  kind: "full" | "incremental";
  status: "running" | "importing" | "complete" | "failed" | "deleting";
  parent?: string;
  note?: string;
  imported?: boolean;
  /** Neither its age nor the number of snapshots makes it go. */
  keep?: boolean;
  epoch: number;
  sequence: number;
  from: number;
  hash: string;
  timestamp: string;
  schemaVersion: number;
  created: string;
  documents: { [collection: string]: number };
  bytes: number;
  ownBytes: number;
  /** In the object, or in object storage alone. */
  tier: "hot" | "cold";
  /** What it has in object storage, checked when it was put there. */
  cold?: { parts: number; bytes: number };
  /** On its way to object storage, or from there. */
  moving?: "promoting" | "recalling";
  /** Why it failed, or why the last attempt to move or delete it did. */
  failure?: { code: string; message: string };
}

export interface SnapshotPage {
  snapshots: Snapshot[];
  /** Ask for those `before` it to read on. */
  next?: string;
}

/** A search for snapshots in object storage. */
export interface Discovery {
  id: string;
  status: "running" | "complete" | "failed";
  created: string;
  /** Manifests that were found. */
  found: number;
  /** Snapshots that the object did not know. */
  added: string[];
  /** Manifests that do not read, or are of something else. */
  skipped: number;
  failure?: { code: string; message: string };
}

/** A state to be brought back: exactly one of `snapshot`, `sequence` and `time` is named. */
export type RestoreTarget =
  | { snapshot: string; sequence?: undefined; time?: undefined }
  | { sequence: number; snapshot?: undefined; time?: undefined }
  /** RFC 3339, or milliseconds since 1970. */
  | { time: string | number | Date; snapshot?: undefined; sequence?: undefined };

export type RestoreOptions = RestoreTarget &
  AdminOptions & {
    /** Only these; all of them unless said. */
    collections?: string[];
    /** Only count what would change. */
    dryRun?: boolean;
    correlationId?: string;
    traceparent?: string;
  };

export interface Restore {
  id: string;
  status: "running" | "complete" | "cancelled" | "failed";
  target: { snapshot?: string; sequence?: number; time?: string };
  sequence: number;
  collections?: string[];
  dryRun: boolean;
  created: string;
  differences: { [collection: string]: { added: number; changed: number; removed: number } };
  /** The snapshot of the state before. */
  undo?: string;
  /** Where a reader stands who has seen what it did. */
  offset?: string;
  /** What it waits for from the changes tables. */
  lake?: { collections: string[]; after: number; to: number; ready: boolean };
  /** Why it failed; nothing was changed. */
  failure?: { code: string; message: string };
}

/** The state is the present one, unless one of `snapshot`, `sequence` and `time` is named. */
export type ForkOptions = (RestoreTarget | { snapshot?: undefined; sequence?: undefined; time?: undefined }) &
  AdminOptions & {
    /** The id of the object that is to be; there must be none. */
    to: string;
    /** A scratch fork: it ends by itself after this time, and is in no table. Seconds, or text such as `"2h"`. */
    expires?: string | number;
  };

export interface Fork {
  id: string;
  status: "running" | "complete" | "cancelled" | "failed";
  to: string;
  /** It is the state after this event. */
  sequence: number;
  created: string;
  /** What the other object has taken. */
  bytes: number;
  /** When the other object ends by itself. */
  expires?: string;
  /** Where a reader of the other object stands who has seen what it began with. */
  offset?: string;
  /** Why it failed, or why the last attempt to go on did. */
  failure?: { code: string; message: string };
}

/** Something that is not what was written. */
export interface Damage {
  collection?: string;
  /** The snapshot whose part it is. */
  snapshot?: string;
  blob?: number;
  /** The first page of the blob that does not read. */
  page?: number;
  /** The first event of the log that does not read. */
  sequence?: number;
  what: string;
}

/** One page of a check. */
export interface Check {
  checked: { blobs: number; bytes: number; documents: number; events: number; parts: number };
  damaged: Damage[];
  next?: string;
}

/** What became of damage. */
export interface Heal {
  id: string;
  status: "running" | "complete" | "failed";
  created: string;
  /** Live blobs looked at. */
  blobs: number;
  /** Blobs that are whole again, the first 100: of a snapshot's copy, or of readable pages and events. */
  healed: { collection: string; blob: number; from: "copy" | "events"; documents: number }[];
  /** What is damaged still, and why. */
  lost: Damage[];
  /** Snapshots that are damaged, `failed` now. */
  snapshots: string[];
  failure?: { code: string; message: string };
}

/** A call of an administrator. */
export interface AuditEntry {
  number: number;
  time: string;
  actor?: string;
  reason?: string;
  action: string;
  /** The snapshot's or the restore's. */
  id: string;
  details: { [member: string]: Json };
}

/** How long snapshots are kept. Times are seconds, or text such as `"7d"`; 0 is no limit. */
export interface RetentionRules {
  /** Age past which one goes from the object. */
  hotAge?: string | number;
  /** Most snapshots in the object. */
  hotCount?: number;
  /** Age past which one goes from object storage. */
  coldAge?: string | number;
  /** Most snapshots in object storage. */
  coldCount?: number;
  /** Most incrementals on one full snapshot. */
  chain?: number;
  /** Age past which one is moved to object storage. */
  promoteAge?: string | number;
  /** Bytes of its own past which one is moved there; a number, or text such as `"10MB"`. */
  promoteSize?: string | number;
}

/** The rules in force. */
export interface Retention extends Required<RetentionRules> {
  /** What the object declares itself. */
  own: RetentionRules;
  /** Where the type has a schedule: its newest snapshot, the event that is of, why it failed last. */
  schedule?: { last?: string; sequence: number; failure?: { code: string; message: string } };
}

/** Needs the Worker's secret `TIDELOG_ADMIN_TOKEN` to be set; who holds a binding does not show it. */
export interface SnapshotCalls {
  create(options?: SnapshotOptions): Promise<Snapshot>;
  list(options?: {
    kind?: "full" | "incremental";
    tier?: "hot" | "cold";
    parent?: string;
    minBytes?: number;
    maxBytes?: number;
    /** Only states after this event or a later one. */
    fromSequence?: number;
    /** Only states after this event or an earlier one. */
    toSequence?: number;
    before?: string;
    limit?: number;
  }): Promise<SnapshotPage>;
  get(id: string): Promise<Snapshot>;
  delete(id: string, options?: AdminOptions): Promise<Snapshot>;
  /** Keeps one whatever its age and number; with `false` no longer. */
  keep(id: string, keep?: boolean, options?: AdminOptions): Promise<Snapshot>;
  retention(): Promise<Retention>;
  /** Declares the object's own rules, in the place of those before; what is left out is as its type says. */
  setRetention(rules: RetentionRules & AdminOptions): Promise<Retention>;
  /** Brings a snapshot to object storage; then its copy in the object goes. */
  promote(id: string, options?: AdminOptions): Promise<Snapshot>;
  /** Brings it back, with those it builds on; the copy there stays. */
  recall(id: string, options?: AdminOptions): Promise<Snapshot>;
  /** Looks in object storage for snapshots that the object, which may be new, does not know. */
  discover(options?: AdminOptions): Promise<Discovery>;
  /** How far the search is, or what the last one found. */
  discovery(): Promise<Discovery>;
  /** What administrators had the object do, newest first. */
  audit(options?: { before?: number; limit?: number }): Promise<{ entries: AuditEntry[]; next?: number }>;
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
  /**
   * Sends a message to the object's actor; what it answers. An error of the actor's own has a code
   * `<type>.<word>`. `Reply` and `Body` are the actor's: `stub.message<Booked, Book>("book", {…})`.
   */
  message<Reply extends Json = Json, Body = Json>(name: string, body?: Body, options?: CallOptions): Promise<Reply>;
  /** Reads a document; `null` when there is none. */
  get(collection: string, key: string, options?: ReadOptions): Promise<Found | null>;
  query(collection: string, query?: Query): Promise<QueryAnswer>;
  /** Every row of a query, however many: a stream of JSON documents, one a line (`documentsOf` reads it). */
  rows(collection: string, query?: Query): Promise<ReadableStream<Uint8Array>>;
  /** One page of the log; with `live` it waits until there is something new or some 20 s are over. */
  changes(options?: ChangesOptions & { live?: boolean }): Promise<ChangesPage>;
  /**
   * Follows the log from `options.offset` (default: now): a stream of {@link ChangesPage}, one JSON
   * document a line, made no faster than it is read.
   */
  subscribe(options?: ChangesOptions): Promise<ReadableStream<Uint8Array>>;
  /**
   * Calls `callback` with page after page, each after the last one's answer, until it answers `false`.
   * Gives the offset behind that page, or `undefined` when the log was closed.
   */
  follow(
    options: ChangesOptions,
    callback: (page: ChangesPage) => void | boolean | Promise<void | boolean>,
  ): Promise<string | undefined>;
  /** An entry that was put into the cache beside this object; `null` when it is not there any more. */
  cacheGet(key: string): Promise<CacheEntry | null>;
  /** Keeps bytes in the cache of this data center for a time; it may forget them sooner. */
  cachePut(key: string, value: string | ArrayBuffer | Uint8Array, options?: CachePutOptions): Promise<void>;
  /** Forgets an entry, or with `prefix*` all below a prefix that is empty or ends with `:` or `/`. */
  cacheDelete(key: string): Promise<void>;
  state(): Promise<ObjectState>;
  /** Answers once everything up to the present head is in a tier; without one, in all of them. */
  sync(tier?: "warm" | "cold"): Promise<ObjectState>;
  deleteObject(options?: CallOptions): Promise<ObjectState>;
  readonly snapshots: SnapshotCalls;
  /** Brings a state back as ordinary events; see `status` of the answer. */
  restore(options: RestoreOptions): Promise<Restore>;
  /** The restore under way, or the last one. */
  restoreState(): Promise<Restore>;
  cancelRestore(options?: AdminOptions): Promise<Restore>;
  /** Makes another object of the type of this one, as it is or as it was; see `status` of the answer. */
  fork(options: ForkOptions): Promise<Fork>;
  /** The fork under way, or the last one. */
  forkState(): Promise<Fork>;
  cancelFork(options?: AdminOptions): Promise<Fork>;
  /** Looks for damage, a page of some 8 MB: `next` of the answer is `after` of the next page. */
  check(options?: { after?: string }): Promise<Check>;
  /** Makes damaged blobs whole again, exactly and without events; see `status` of the answer. */
  heal(options?: AdminOptions): Promise<Heal>;
  /** The healing under way, or the last one. */
  healState(): Promise<Heal>;
}

/**
 * An object as other Workers hold it. Reads, `rows`, `subscribe` and `follow` go on when the object
 * was evicted or moved; a write that fails with `actor_reset` is repeated by its caller, with its
 * idempotency key. Calls can be made at once, without waiting for the stub.
 */
export interface ObjectClient extends ObjectCalls, Disposable {}

/** A service binding to this Worker: `env.TIDELOG`. */
export interface Tidelog {
  object(type: string, id: string): ObjectClient;
  /** The HTTP contract; `docs/http.md`. */
  fetch(request: Request | string, init?: RequestInit): Promise<Response>;
}

/**
 * The Durable Object of one object. Nothing is repeated for the caller: when the object is evicted,
 * calls fail and streams break off, and the caller goes on with a new stub and the last offset.
 */
export interface ObjectStub extends ObjectCalls {
  readonly id: DurableObjectId;
  fetch(request: Request | string, init?: RequestInit): Promise<Response>;
}

/** A binding to the class `TidelogObject` of this Worker; names are made by `objectName`. */
export interface ObjectNamespace {
  idFromName(name: string): DurableObjectId;
  get(id: DurableObjectId): ObjectStub;
  getByName(name: string): ObjectStub;
}

/** The problem document of an error (RFC 9457), as over HTTP; codes have members of their own. */
export interface Problem {
  /** Stable; `docs/http.md` has the table. */
  code: string;
  title: string;
  /** The status that HTTP would have. */
  status: number;
  /** For people. */
  detail: string;
  /** The field, parameter or header that is to blame. */
  field?: string;
  [member: string]: Json | undefined;
}

/**
 * What calls throw. RPC keeps the members when both Workers have a compatibility date from
 * 2026-04-21 on; else only the message arrives, and `errorOf` of client.mjs reads the problem in it.
 */
export interface TidelogError extends Error {
  name: "TidelogError";
  code: string;
  status: number;
  field?: string;
  problem: Problem;
}
