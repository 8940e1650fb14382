//! Every limit of the log and of what may enter it, in one place. Sizes are bytes.

/// Longest string or blob one SQLite row may hold on a Durable Object is 2 MB; parts stay below.
pub const PART_BYTES_MAX: usize = 1_900_000;
/// Parts of one record: `sequence * 256 + part` is the row id of the log table.
pub const RECORD_PARTS_MAX: usize = 256;
/// Highest sequence: `sequence * 256 + 255` must stay within 2^53 - 1.
pub const SEQUENCE_MAX: u64 = (1 << 45) - 1;
/// Highest epoch: milliseconds, within 2^53 - 1.
pub const EPOCH_MAX: u64 = (1 << 53) - 1;
/// Largest whole number that crosses JavaScript unharmed.
pub const INT_MAX: i64 = (1 << 53) - 1;
/// Largest row as SQLite stores it; a Durable Object's rows end at 2 MB.
pub const ROW_BYTES_MAX: usize = 1_950_000;
/// Largest document, as compact JSON.
pub const DOCUMENT_BYTES_MAX: usize = 1_500_000;
/// Largest body of one turn.
pub const TURN_BYTES_MAX: usize = 16_000_000;
/// Most rows one turn may change.
pub const TURN_ROWS_MAX: usize = 10_000;
/// Longest document key, in UTF-8 bytes.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Longest object id, in UTF-8 bytes.
pub const OBJECT_ID_BYTES_MAX: usize = 256;
/// Longest type, collection, field or index name.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest source, correlation id, trace parent or idempotency key.
pub const LABEL_BYTES_MAX: usize = 256;
/// Deepest nesting of a filter or of a JSON value.
pub const DEPTH_MAX: usize = 32;
/// Most conditions in one filter.
pub const FILTER_NODES_MAX: usize = 1_000;
/// Most values in one `in` list.
pub const IN_LIST_MAX: usize = 10_000;
/// Most fields of one collection, columns and CBOR together.
pub const FIELDS_MAX: usize = 1_000;
/// Most fields that get a column of their own (a Durable Object's table has at most 100).
pub const COLUMNS_MAX: usize = 80;
/// Most collections of one type.
pub const COLLECTIONS_MAX: usize = 64;
/// Most undeclared fields of one document.
pub const EXTRA_FIELDS_MAX: usize = 1_000;
/// Most rows one query page returns.
pub const PAGE_ROWS_MAX: usize = 10_000;
/// Rows of a query page when the caller names no limit.
pub const PAGE_ROWS_DEFAULT: usize = 1_000;
/// Most bytes one query page or one read of the log returns; a page always holds one row.
pub const PAGE_BYTES_MAX: usize = 8_000_000;
/// Most groups one aggregation may form.
pub const GROUPS_MAX: usize = 100_000;
/// Most events one read of the log returns.
pub const CHANGES_EVENTS_MAX: usize = 10_000;
/// Events of one read of the log when the caller names no limit.
pub const CHANGES_EVENTS_DEFAULT: usize = 1_000;
/// Longest vector of `f32`.
pub const VECTOR_LENGTH_MAX: usize = 8_192;
/// Idempotency keys remembered per object; the oldest go first.
pub const IDEMPOTENCY_KEYS_MAX: usize = 10_000;
/// How long an idempotency key is remembered.
pub const IDEMPOTENCY_MILLIS: i64 = 24 * 60 * 60 * 1_000;
