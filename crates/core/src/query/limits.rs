//! Limits of one query that the log does not already name.

/// Most fields in `orderBy`.
pub(crate) const ORDER_FIELDS_MAX: usize = 8;
/// Most entries in `groupBy`.
pub(crate) const GROUP_FIELDS_MAX: usize = 8;
/// Most entries in `aggregate`.
pub(crate) const AGGREGATES_MAX: usize = 32;
/// Longest `like` pattern, in bytes: matching costs at most this times the text's length.
pub(crate) const PATTERN_BYTES_MAX: usize = 1_024;
/// Longest cursor, in characters: the values of one document, as base64.
pub(crate) const CURSOR_CHARS_MAX: usize = 2_100_000;
/// Memory that groups, their least and greatest values and their distinct values may take, bytes.
pub(crate) const GROUP_BYTES_MAX: usize = 32_000_000;
/// Rows one statement of a scan reads; the scan goes on by key.
pub(crate) const SCAN_ROWS: usize = 1_000;
/// Parameters left to the filter of the 100 a Durable Object binds: the rest page and limit.
pub(crate) const FILTER_ARGS_MAX: usize = 85;
/// Bytes of SQL the filter may take, of the 100 KB a Durable Object parses.
pub(crate) const FILTER_SQL_BYTES_MAX: usize = 60_000;
/// Lists longer than this go to SQL as one JSON parameter where their type allows it.
pub(crate) const LIST_INLINE_MAX: usize = 16;
/// Largest single parameter, bytes; a Durable Object binds at most 2 MB.
pub(crate) const ARG_BYTES_MAX: usize = 1_500_000;
/// Most result columns of one statement, of the 100 a Durable Object returns.
pub(crate) const RESULT_COLUMNS_MAX: usize = 96;
