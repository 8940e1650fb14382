//! What both sides say of themselves.

use serde_json::Value as Json;
use tidelog_log::Result;

use crate::bench::figures::failed;

/// What a side says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) rows_written: u64,
    pub(super) log_rows: u64,
    pub(super) events: u64,
    pub(super) documents: u64,
}

impl Counts {
    /// Reads our `state`, or what the peer says: `{rows, changes, rowsWritten}`.
    pub(super) fn read(body: &[u8]) -> Result<Self> {
        let said: Json = serde_json::from_slice(body).map_err(|e| failed(e.to_string()))?;
        let number = |place: &str| {
            let found = said.pointer(place).and_then(Json::as_u64);
            found.ok_or_else(|| failed(format!("{place} is no count in {said}")))
        };
        if said.get("changes").is_some() {
            let changes = number("/changes")?;
            return Ok(Self {
                rows_written: number("/rowsWritten")?,
                log_rows: changes,
                events: changes,
                documents: number("/rows")?,
            });
        }
        Ok(Self {
            rows_written: number("/costs/meter/rowsWritten")?,
            log_rows: number("/log/records")?,
            events: number("/head")?,
            documents: number("/documents/flights")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_counts_are_read() {
        let ours = br#"{"costs":{"meter":{"rowsWritten":33}},"documents":{"flights":4,"weather":0},
                        "head":5,"log":{"bytes":229,"records":2}}"#;
        let ours = Counts::read(ours).unwrap();
        assert_eq!((ours.rows_written, ours.log_rows), (33, 2));
        assert_eq!((ours.events, ours.documents), (5, 4));
        let theirs = Counts::read(br#"{"rows":4,"changes":5,"rowsWritten":20}"#).unwrap();
        assert_eq!((theirs.rows_written, theirs.log_rows), (20, 5));
        assert_eq!((theirs.events, theirs.documents), (5, 4));
        assert!(Counts::read(br#"{"rows":4}"#).is_err());
    }
}
