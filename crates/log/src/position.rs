//! Where in a log something is: sequence, epoch, and the offset a reader holds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::{EPOCH_MAX, SEQUENCE_MAX};
use crate::{Error, Result};

/// A gap-free position in one object's log, from 1. 0 is "before the first event".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One continuous life of an object: `max(previous + 1, wall-clock milliseconds)`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch that follows `self` when the clock says `now` (milliseconds since 1970).
    #[must_use]
    pub fn opened_at(self, now: i64) -> Self {
        Self(
            (self.0 + 1)
                .max(u64::try_from(now).unwrap_or(0))
                .min(EPOCH_MAX),
        )
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A reader's place: everything up to and including `sequence` of `epoch` has been seen.
///
/// As text it is 16 digits, `_`, 16 digits: URL-safe, and sorted as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offset {
    /// The epoch the event belongs to.
    pub epoch: Epoch,
    /// The last event seen.
    pub sequence: Sequence,
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016}_{:016}", self.epoch.0, self.sequence.0)
    }
}

impl FromStr for Offset {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || {
            Error::invalid(
                "malformed_offset",
                "an offset is -1, now, or one that this stream returned (16 digits, _, 16 digits)",
            )
            .at("offset")
        };
        let (epoch, sequence) = text.split_once('_').ok_or_else(malformed)?;
        let number = |digits: &str| {
            let plain = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_digit());
            plain
                .then(|| digits.parse::<u64>().ok())
                .flatten()
                .ok_or_else(malformed)
        };
        let (epoch, sequence) = (number(epoch)?, number(sequence)?);
        if epoch > EPOCH_MAX || sequence > SEQUENCE_MAX {
            return Err(malformed());
        }
        Ok(Self {
            epoch: Epoch(epoch),
            sequence: Sequence(sequence),
        })
    }
}

/// Where a reader asks to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// `-1`: before the first event.
    Beginning,
    /// `now`: after the newest event.
    Now,
    /// After the event at this offset.
    After(Offset),
}

impl FromStr for StartAt {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "-1" => Ok(Self::Beginning),
            "now" => Ok(Self::Now),
            other => other.parse().map(Self::After),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn offsets_round_trip_and_sort_as_text(a in 0..=EPOCH_MAX, b in 0..=SEQUENCE_MAX, c in 0..=SEQUENCE_MAX) {
            let one = Offset { epoch: Epoch(a), sequence: Sequence(b) };
            let two = Offset { epoch: Epoch(a), sequence: Sequence(c) };
            prop_assert_eq!(one.to_string().parse::<Offset>().unwrap(), one);
            prop_assert_eq!(one.to_string().cmp(&two.to_string()), one.cmp(&two));
        }
    }

    #[test]
    fn odd_offsets_are_refused() {
        for text in [
            "",
            "0",
            "_",
            "1_2",
            "-2",
            "NOW",
            "+000000000000001_0000000000000001",
            "9999999999999999_0000000000000001",
            "0000000000000001_0000000000000001 ",
        ] {
            let error = text.parse::<StartAt>().unwrap_err();
            assert_eq!(error.code(), "malformed_offset", "{text}");
        }
    }

    #[test]
    fn an_epoch_always_grows() {
        assert_eq!(Epoch(5).opened_at(3), Epoch(6));
        assert_eq!(Epoch(5).opened_at(30), Epoch(30));
        assert_eq!(Epoch(0).opened_at(-1), Epoch(1));
    }
}
