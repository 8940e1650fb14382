//! Every limit of a table actor, in one place. Sizes are bytes.

/// Most inbox bytes one flush takes unless the host chooses less; one batch is always taken.
pub const FLUSH_BYTES_MAX: u64 = 32_000_000;
/// Most inbox bytes kept; a push beyond it is refused until a flush made room.
pub const INBOX_BYTES_MAX: u64 = 512_000_000;
/// Inbox bytes at which `cold.min_age` waits no longer: a full inbox would stop its sources.
pub const WAITING_BYTES_MAX: u64 = INBOX_BYTES_MAX / 2;
/// Most events one batch may hold.
pub const BATCH_EVENTS_MAX: usize = 1_000_000;
/// Iceberg snapshots kept when older ones are expired.
pub const SNAPSHOTS_KEPT: usize = 100;
/// Iceberg snapshots at which the older ones are expired, a batch at a time.
pub const SNAPSHOTS_MAX: usize = 150;
/// Earlier metadata files named in the metadata and kept.
pub const METADATA_LOG_MAX: usize = 100;
/// Manifests below [`MANIFEST_FILES_FULL`] files at which they are merged.
pub const MANIFESTS_MAX: usize = 32;
/// Data files of a manifest that is full: it is not merged again.
pub const MANIFEST_FILES_FULL: u64 = 4_096;
/// Longest lower or upper bound of a text column, in characters, or of a binary one, in bytes.
pub const BOUND_LENGTH_MAX: usize = 16;
/// Most ranges that a commit's summary names.
pub const SUMMARY_RANGES_MAX: usize = 16;
/// Longest list of ranges in a commit's summary.
pub const SUMMARY_BYTES_MAX: usize = 1_024;
/// Longest column comment.
pub const COMMENT_CHARS_MAX: usize = 256;
/// Rows of one Parquet row group.
pub const ROW_GROUP_ROWS: usize = 131_072;
/// Marks listed in a table's status.
pub const STATUS_MARKS_MAX: u64 = 100;
/// Blob keys one listing page of orphans returns.
pub const ORPHANS_PAGE: usize = 1_000;
/// The first id of the system columns; a declared field's id is below it.
pub const SYSTEM_COLUMN_ID_MIN: u32 = 10_000;
/// Bytes read from the end of a data file to find its footer; more is read only when it is longer.
pub const FOOTER_BYTES: u64 = 65_536;
/// Two parts of a data file that are no further apart are read as one.
pub const READ_GAP_BYTES: u64 = 65_536;
/// Values of one page of a data file: 2,048 rows of the longest vectors.
pub const PAGE_VALUES_MAX: usize = 1 << 24;
/// Data files that one read of a document looks into; their bounds rule out the others.
pub const COLD_READ_FILES_MAX: usize = 256;
/// Manifests that one read of a document looks into.
pub const COLD_READ_MANIFESTS_MAX: usize = 128;
/// Sequences of one page of an object's changes.
pub const CHANGES_EVENTS_MAX: u64 = 4_096;
/// Bytes of one page of an object's changes, unpacked; a page of one sequence may be longer.
pub const CHANGES_BYTES_MAX: u64 = 4_000_000;
/// Data files of a snapshot that is remembered between reads, at about 1 kB each.
pub const REMEMBERED_FILES_MAX: u64 = 4_096;
/// Data files of one flush that are encoded or on their way to the store at once.
pub(crate) const FILES_AT_ONCE: usize = 4;
/// Manifests of snapshots that one step looks for.
pub const FOUND_MAX: usize = 64;
/// Their bytes, give or take one.
pub const FOUND_BYTES_MAX: usize = 4_000_000;
