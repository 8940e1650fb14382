//! Which state a collection was in when the object was last asked.

use bytes::Bytes;
use tidelog_core::Stamp;
use tidelog_log::{Offset, Sequence};

use super::Entry;

/// A collection's state, and when it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    /// The state.
    pub(crate) stamp: Stamp,
    /// A time before the object was read, milliseconds since 1970: the state was its newest then.
    pub(crate) observed_at: i64,
}

/// Most that the clocks of two machines differ: a pointer from further ahead is not believed.
const SKEW_MILLIS_MAX: i64 = 10_000;
/// Longest that an answer is on its way, for what follows from the order of states: longer ones count as
/// asked of an object that was set back.
const HELD_UP_MILLIS_MAX: i64 = 60_000;

impl Pointer {
    /// How old what it names may be, milliseconds; `None` when it is not to be used: `ttl_millis`
    /// old or older, or not known to have seen `at_least`.
    ///
    /// An offset of another epoch is not looked into: the object knows its history, a cache does not.
    pub(crate) fn age(&self, now: i64, ttl_millis: i64, at_least: Option<Offset>) -> Option<i64> {
        let age = now - self.observed_at;
        let seen = self.stamp.offset;
        let covers =
            |wanted: Offset| wanted.epoch == seen.epoch && wanted.sequence <= seen.sequence;
        let fresh = (-SKEW_MILLIS_MAX..ttl_millis).contains(&age);
        (fresh && at_least.is_none_or(covers)).then_some(age.max(0))
    }

    /// True when this is to stay in the cache though `other` is at hand: it tells of a later state.
    ///
    /// Within an epoch the later state is the one with more events, whichever answer was asked for
    /// first. Not so where the other was asked for long after: the object was set back, or an answer was held
    /// up; then, and between epochs, what was asked for later tells of the later state.
    pub(crate) fn outlives(&self, other: &Self, now: i64) -> bool {
        if self.observed_at - now > SKEW_MILLIS_MAX {
            // A clock that was set back since: no reader believes it.
            return false;
        }
        let (mine, others) = (self.stamp.offset, other.stamp.offset);
        let later = self.observed_at - other.observed_at;
        if mine.epoch != others.epoch
            || mine.sequence == others.sequence
            || later.abs() > HELD_UP_MILLIS_MAX
        {
            return later > 0;
        }
        mine.sequence > others.sequence
    }

    /// The same of entries that pointers were written into; anything else goes.
    pub(crate) fn stays(there: &Entry, other: &Entry, now: i64) -> bool {
        match (Self::read(there), Self::read(other)) {
            (Some(there), Some(other)) => there.outlives(&other, now),
            (there, _) => there.is_some(),
        }
    }

    /// As an entry.
    pub(crate) fn entry(&self) -> Entry {
        let text = format!("{} {}", stamp_text(&self.stamp), self.observed_at);
        Entry {
            body: Bytes::from(text),
            media: "text/plain".to_owned(),
            tag: String::new(),
            stored_at: self.observed_at,
        }
    }

    /// What [`Pointer::entry`] wrote; `None` for anything else.
    pub(crate) fn read(entry: &Entry) -> Option<Self> {
        let text = std::str::from_utf8(&entry.body).ok()?;
        let (stamp, observed_at) = text.rsplit_once(' ')?;
        Some(Self {
            stamp: read_stamp(stamp)?,
            observed_at: observed_at.parse().ok()?,
        })
    }
}

/// A stamp as text: the offset, the last event, its mark, the schema version.
pub(crate) fn stamp_text(stamp: &Stamp) -> String {
    let Stamp {
        offset,
        touched,
        mark,
        schema_version,
    } = stamp;
    format!("{offset} {touched} {mark:016x} {schema_version}")
}

/// What [`stamp_text`] wrote.
pub(crate) fn read_stamp(text: &str) -> Option<Stamp> {
    let mut parts = text.split(' ');
    let stamp = Stamp {
        offset: parts.next()?.parse().ok()?,
        touched: Sequence(parts.next()?.parse().ok()?),
        mark: u64::from_str_radix(parts.next()?, 16).ok()?,
        schema_version: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(stamp)
}

#[cfg(test)]
mod tests {
    use tidelog_log::Epoch;

    use super::*;

    fn at(epoch: u64, sequence: u64) -> Offset {
        Offset {
            epoch: Epoch(epoch),
            sequence: Sequence(sequence),
        }
    }

    fn pointer() -> Pointer {
        Pointer {
            stamp: Stamp {
                offset: at(5, 40),
                touched: Sequence(30),
                mark: u64::MAX - 1,
                schema_version: 2,
            },
            observed_at: 100_000,
        }
    }

    #[test]
    fn pointers_round_trip_and_nothing_else_reads() {
        let entry = pointer().entry();
        assert_eq!(Pointer::read(&entry), Some(pointer()));
        let text = String::from_utf8(entry.body.to_vec()).unwrap();
        for odd in [
            "",
            " ",
            "x",
            &text[1..],
            &format!("{text} 1"),
            &text.replace('_', "-"),
        ] {
            let entry = Entry {
                body: Bytes::copy_from_slice(odd.as_bytes()),
                ..pointer().entry()
            };
            assert_eq!(Pointer::read(&entry), None, "{odd:?}");
        }
    }

    #[test]
    fn a_pointer_is_believed_for_less_than_the_ttl() {
        let age = |now| pointer().age(now, 60_000, None);
        assert_eq!(age(100_000), Some(0));
        assert_eq!(age(159_999), Some(59_999));
        assert_eq!(age(160_000), None);
        assert_eq!(age(95_000), Some(0), "another machine's clock");
        assert_eq!(age(80_000), None, "a clock that was set back");
    }

    #[test]
    fn of_two_pointers_the_one_to_the_later_state_stays() {
        let seen = |offset, observed_at| Pointer {
            stamp: Stamp {
                offset,
                ..pointer().stamp
            },
            observed_at,
        };
        let now = 300_000;
        let stays = |a: Pointer, b: Pointer| (a.outlives(&b, now), b.outlives(&a, now));
        let old = seen(at(5, 40), 100_000);
        assert_eq!(stays(seen(at(5, 41), 100_000), old), (true, false));
        let slow = seen(at(5, 41), 45_000);
        assert_eq!(stays(slow, old), (true, false), "asked for before it");
        assert_eq!(stays(seen(at(5, 40), 100_001), old), (true, false));
        assert_eq!(stays(old, old), (false, false));
        let back = seen(at(5, 3), 160_001);
        assert_eq!(stays(back, old), (true, false), "the object was set back");
        let other = seen(at(4, 99), 100_001);
        assert_eq!(
            stays(other, old),
            (true, false),
            "another epoch, seen later"
        );
        let ahead = seen(at(5, 50), now + SKEW_MILLIS_MAX + 1);
        assert!(!stays(ahead, old).0, "a clock that was set back");
    }

    #[test]
    fn a_pointer_answers_only_readers_it_has_caught_up_with() {
        let age = |offset| pointer().age(100_001, 60_000, Some(offset));
        assert_eq!(age(at(5, 40)), Some(1), "events of other collections count");
        assert_eq!(age(at(5, 41)), None);
        assert_eq!(
            age(at(4, 3)),
            None,
            "the object knows whether it is its history"
        );
        assert_eq!(age(at(6, 3)), None);
    }
}
