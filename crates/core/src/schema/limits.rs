//! Ranges of what a type may declare of its tiers. Sizes are bytes, times milliseconds.

use std::ops::RangeInclusive;

/// One second.
pub(crate) const SECOND: i64 = 1_000;
/// One minute.
pub(crate) const MINUTE: i64 = 60 * SECOND;
/// One hour.
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// One day.
pub(crate) const DAY: i64 = 24 * HOUR;
/// 365 days.
pub(crate) const YEAR: i64 = 365 * DAY;

/// `hot.max_size`. The least is what the tables of an object with many collections take.
pub(crate) const HOT_BYTES: RangeInclusive<i64> = 1_000_000..=1_000_000_000_000;
/// `hot.vortex_threshold`; 0 is off.
pub(crate) const VORTEX_THRESHOLD: RangeInclusive<i64> = 0..=10_000_000;
/// `warm.default_ttl`.
pub(crate) const WARM_TTL: RangeInclusive<i64> = MINUTE..=YEAR;
/// `warm.max_entries`.
pub(crate) const WARM_ENTRIES: RangeInclusive<i64> = 1..=10_000_000;
/// `cold.schedule`.
pub(crate) const COLD_SCHEDULE: RangeInclusive<i64> = SECOND..=7 * DAY;
/// `cold.min_age`.
pub(crate) const COLD_MIN_AGE: RangeInclusive<i64> = 0..=30 * DAY;
/// `cold.prefix`, in bytes.
pub(crate) const COLD_PREFIX_BYTES_MAX: usize = 256;
/// `sync.batch_size`.
pub(crate) const SYNC_BATCH: RangeInclusive<i64> = 1..=1_000_000;
/// `sync.interval`.
pub(crate) const SYNC_INTERVAL: RangeInclusive<i64> = 100..=DAY;
/// `snapshots.every`.
pub(crate) const SNAPSHOT_EVERY: RangeInclusive<i64> = MINUTE..=YEAR;
/// `snapshots.changes`.
pub(crate) const SNAPSHOT_CHANGES: RangeInclusive<i64> = 1..=1_000_000_000;
/// `snapshots.full_every`.
pub(crate) const SNAPSHOT_FULL_EVERY: RangeInclusive<i64> = 1..=101;
/// Ages of `snapshots.retention`; 0 is off.
pub(crate) const SNAPSHOT_AGE: RangeInclusive<i64> = MINUTE..=100 * YEAR;
/// Counts of `snapshots.retention`; 0 is off.
pub(crate) const SNAPSHOT_COUNT: RangeInclusive<i64> = 0..=1_000;
/// `snapshots.retention.chain`.
pub(crate) const SNAPSHOT_CHAIN: RangeInclusive<i64> = 1..=100;
/// `snapshots.retention.promote_size`; 0 is off.
pub(crate) const SNAPSHOT_SIZE: RangeInclusive<i64> = 0..=1_000_000_000_000;
/// `retention.max_age`; 0 is off.
pub(crate) const RETENTION_AGE: RangeInclusive<i64> = SECOND..=100 * YEAR;
