//! What an actor has done in the units Cloudflare bills, and what that costs by published prices.
//!
//! Both hosts count the same way, so the embedded host tells what its work would cost there.
//! Included allotments are not deducted and usage is not rounded up to the next billed unit: the
//! figures are what one more unit costs. Duration ($12.50 per million GB-s at 128 MB) is **not**
//! metered: it follows from how long an object stays in memory, which only Cloudflare knows.

use serde::{Deserialize, Serialize};

mod text;
pub use text::{MeterKey, meters_text};

/// What one actor, or several together, has done. Counters only grow; the gauges
/// ([`stored_bytes`](Self::stored_bytes), [`lake_bytes`](Self::lake_bytes),
/// [`nearly_full`](Self::nearly_full)) stand for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meter {
    /// Rows read from SQLite, rows.
    pub rows_read: u64,
    /// Rows and index entries written to SQLite, rows; each alarm that was set is one more.
    pub rows_written: u64,
    /// Calls the actor took, over HTTP, RPC or from another actor; alarms are not among them.
    pub requests: u64,
    /// Times the actor ran because its alarm was due.
    pub alarms: u64,
    /// R2 operations that write or list (put, each part of a multipart upload, list).
    pub r2_class_a: u64,
    /// R2 operations that read (get, head). Deletes are free and not counted.
    pub r2_class_b: u64,
    /// Size of the SQLite database now, bytes. A gauge.
    pub stored_bytes: u64,
    /// Size of the lake's data files now, bytes; only table actors have any. A gauge.
    pub lake_bytes: u64,
    /// Events appended to logs.
    pub events: u64,
    /// 1 while the object is at 80 % of its `hot.max_size` or more; of several, how many are. A
    /// gauge that is read together with the stored bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub nearly_full: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde calls")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Meter {
    /// Adds what the same actor did since: counters add up, a gauge that was read (is not 0)
    /// takes the place of the old one.
    pub fn add(&mut self, since: &Self) {
        let (stored, lake, full) = (self.stored_bytes, self.lake_bytes, self.nearly_full);
        self.add_actor(since);
        let newer = |new: u64, old: u64| if new == 0 { old } else { new };
        self.stored_bytes = newer(since.stored_bytes, stored);
        self.lake_bytes = newer(since.lake_bytes, lake);
        self.nearly_full = match since.stored_bytes {
            0 => full,
            _ => since.nearly_full,
        };
    }

    /// Adds another actor: counters and gauges add up.
    pub fn add_actor(&mut self, other: &Self) {
        let Self {
            rows_read,
            rows_written,
            requests,
            alarms,
            r2_class_a,
            r2_class_b,
            stored_bytes,
            lake_bytes,
            events,
            nearly_full,
        } = self;
        for (mine, more) in [
            (rows_read, other.rows_read),
            (rows_written, other.rows_written),
            (requests, other.requests),
            (alarms, other.alarms),
            (r2_class_a, other.r2_class_a),
            (r2_class_b, other.r2_class_b),
            (stored_bytes, other.stored_bytes),
            (lake_bytes, other.lake_bytes),
            (events, other.events),
            (nearly_full, other.nearly_full),
        ] {
            *mine = mine.saturating_add(more);
        }
    }
}

/// Prices in US dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prices {
    /// The day the figures were compared with their sources.
    pub of: &'static str,
    /// A million rows read.
    pub rows_read_million: f64,
    /// A million rows written.
    pub rows_written_million: f64,
    /// A million requests; an alarm that runs is one.
    pub requests_million: f64,
    /// A million R2 operations of class A.
    pub r2_class_a_million: f64,
    /// A million R2 operations of class B.
    pub r2_class_b_million: f64,
    /// A GB (10^9 bytes) in SQLite for a month.
    pub stored_gb_month: f64,
    /// A GB (10^9 bytes) in R2 for a month.
    pub lake_gb_month: f64,
}

/// Cloudflare's prices on the Workers Paid plan, beyond what it includes: Durable Objects with
/// SQLite storage, and R2 Standard.
///
/// Sources, read as stored copies on the day given:
/// - <https://developers.cloudflare.com/durable-objects/platform/pricing/>: requests (HTTP, RPC,
///   alarms), rows (deletes are rows written, each `setAlarm` is one row written), stored data.
/// - <https://developers.cloudflare.com/r2/pricing/>: operations by class, storage; `DeleteObject`
///   is free, a put that fails its condition is billed.
pub const PRICES: Prices = Prices {
    of: "2026-11-21",
    rows_read_million: 0.001,
    rows_written_million: 1.00,
    requests_million: 0.15,
    r2_class_a_million: 4.50,
    r2_class_b_million: 0.36,
    stored_gb_month: 0.20,
    lake_gb_month: 0.015,
};

/// A meter and what it costs by [`PRICES`]: the member `costs` of `state`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Costs {
    /// What was counted.
    pub meter: Meter,
    /// What the work counted cost, by part.
    pub dollars: Dollars,
    /// The same per million events; `None` where no event was counted.
    pub dollars_per_million_events: Option<f64>,
    /// What keeping what is stored now costs a month, in SQLite and in R2.
    pub monthly_dollars_stored: f64,
    /// The day of the prices, [`Prices::of`].
    pub prices_of: &'static str,
}

/// US dollars by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dollars {
    /// For rows read.
    pub rows_read: f64,
    /// For rows written.
    pub rows_written: f64,
    /// For requests, and for alarms, which are billed as requests.
    pub requests: f64,
    /// For R2 operations of class A.
    pub r2_class_a: f64,
    /// For R2 operations of class B.
    pub r2_class_b: f64,
    /// All of it.
    pub total: f64,
}

impl Costs {
    /// Prices a meter.
    pub fn of(meter: Meter) -> Self {
        let dollars = Dollars::of(&meter);
        let stored = number(meter.stored_bytes) / GB * PRICES.stored_gb_month;
        let lake = number(meter.lake_bytes) / GB * PRICES.lake_gb_month;
        Self {
            meter,
            dollars,
            dollars_per_million_events: (meter.events > 0)
                .then(|| rounded(dollars.total * MILLION / number(meter.events))),
            monthly_dollars_stored: rounded(stored + lake),
            prices_of: PRICES.of,
        }
    }
}

impl Dollars {
    fn of(meter: &Meter) -> Self {
        let price = |count: u64, million: f64| rounded(number(count) / MILLION * million);
        let requests = meter.requests.saturating_add(meter.alarms);
        let mut dollars = Self {
            rows_read: price(meter.rows_read, PRICES.rows_read_million),
            rows_written: price(meter.rows_written, PRICES.rows_written_million),
            requests: price(requests, PRICES.requests_million),
            r2_class_a: price(meter.r2_class_a, PRICES.r2_class_a_million),
            r2_class_b: price(meter.r2_class_b, PRICES.r2_class_b_million),
            total: 0.0,
        };
        let rows = dollars.rows_read + dollars.rows_written;
        let r2 = dollars.r2_class_a + dollars.r2_class_b;
        dollars.total = rounded(rows + dollars.requests + r2);
        dollars
    }
}

const MILLION: f64 = 1e6;
const GB: f64 = 1e9;

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

/// To a billionth of a dollar, the price of one row read: what binary fractions add is noise.
fn rounded(dollars: f64) -> f64 {
    (dollars * 1e9).round() / 1e9
}
