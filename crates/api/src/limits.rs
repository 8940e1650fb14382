//! Every limit of the HTTP contract that is not a limit of the log. Sizes are bytes.

use std::ops::RangeInclusive;

/// Largest JSON body: that of one turn.
pub const BODY_BYTES_MAX: usize = tidelog_log::limits::TURN_BYTES_MAX;
/// Largest schema or query body.
pub const SMALL_BODY_BYTES_MAX: usize = 2_000_000;
/// Deepest nesting of a body of documents: theirs, and the array and objects around them.
pub const BODY_DEPTH_MAX: usize = tidelog_log::limits::DEPTH_MAX + 5;
/// Deepest nesting of a query: a filter takes two levels of JSON per level of its own.
pub const QUERY_DEPTH_MAX: usize = 2 * tidelog_log::limits::DEPTH_MAX + 16;
/// Longest line of an NDJSON body: a document of the largest size, written generously.
pub const LINE_BYTES_MAX: usize = 4_000_000;
/// Rows after which a turn of an NDJSON body is closed.
pub const NDJSON_TURN_ROWS: usize = 1_000;
/// Bytes after which a turn of an NDJSON body is closed.
pub const NDJSON_TURN_BYTES: usize = 2_000_000;
/// Digits and `#` added to an idempotency key to name a turn of an NDJSON body.
pub const LINE_SUFFIX_BYTES_MAX: usize = 21;
/// Longest message given up that an object's state shows whole.
pub const FAILED_BODY_BYTES_MAX: usize = 1_000;
/// Most objects one page of the list returns.
pub const OBJECTS_MAX: usize = 1_000;
/// Objects of a page when the caller names no limit.
pub const OBJECTS_DEFAULT: usize = 100;
/// Bytes of a snapshot's file that are read or taken at once, about: an isolate has 128 MB in all.
pub const FILE_PART_BYTES: usize = 4_000_000;
/// Longest file of a snapshot that is taken.
pub const FILE_BYTES_MAX: u64 = 100_000_000_000;
/// Snapshots, or calls of the audit log, of a page when the caller names no limit.
pub const ADMIN_PAGE_DEFAULT: usize = 100;
/// Most tables or namespaces one Iceberg page returns.
pub const ICEBERG_PAGE_MAX: usize = 1_000;
/// Most parameters of a query string.
pub const PARAMETERS_MAX: usize = 32;
/// One interval of a `Stream-Cursor`, milliseconds.
pub const CURSOR_INTERVAL_MILLIS: i64 = 20_000;
/// 2024-10-09T00:00:00Z, from which cursor intervals count, milliseconds since 1970.
pub const CURSOR_EPOCH_MILLIS: i64 = 1_728_432_000_000;
/// Seconds a client waits before it repeats a request that was refused with 503.
pub const RETRY_AFTER_SECONDS: u64 = 1;
/// Messages a socket's reader is sent before it acknowledges one.
pub const FOLLOW_UNACKNOWLEDGED_MAX: u32 = 8;
/// Largest entry of the cache: larger answers are not kept, larger entries of users are refused.
pub const CACHE_ENTRY_BYTES_MAX: usize = 1_000_000;
/// Longest key of a user's cache entry.
pub const CACHE_KEY_BYTES_MAX: usize = 512;
/// Most separators of such a key after which a prefix may end: each costs a look-up.
pub const CACHE_LEVELS_MAX: usize = 7;
/// Longest content type of such an entry.
pub const CACHE_MEDIA_BYTES_MAX: usize = 255;
/// How long such an entry may be kept: 1 minute to 1 year, milliseconds.
pub const CACHE_TTL_MILLIS: RangeInclusive<i64> = 60_000..=365 * 24 * 60 * 60 * 1_000;
/// Most documents that one push puts into the cache: a Worker has 1,000 calls of it at a time.
pub const WARM_PUSH_KEYS_MAX: usize = 500;
/// Bytes of documents after which a push leaves the others out.
pub const WARM_PUSH_BYTES_MAX: usize = 8_000_000;
/// Longest query of a socket's reader, bytes: it is kept beside the socket.
pub const FOLLOW_QUERY_BYTES_MAX: usize = 1_500;
