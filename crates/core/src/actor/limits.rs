//! Every limit of actors and their messages. Sizes are bytes.

/// Largest message, as compact JSON.
pub const MESSAGE_BYTES_MAX: usize = 256_000;
/// Largest reply to a message, as compact JSON: one that is remembered is one row.
pub const REPLY_BYTES_MAX: usize = 1_500_000;
/// Most messages one turn sends.
pub const SENDS_MAX: usize = 100;
/// Most messages of one object that wait for delivery.
pub const OUTBOX_LETTERS_MAX: u64 = 10_000;
/// Most bytes of messages of one object that wait for delivery.
pub const OUTBOX_BYTES_MAX: u64 = 64_000_000;
/// Messages given up that an object keeps; the oldest go first.
pub const FAILED_MAX: u64 = 100;
/// A message that no receiver could take for so long is given up, milliseconds.
pub const LETTER_MILLIS_MAX: i64 = 7 * 24 * 60 * 60 * 1_000;
/// Attempts at a receiver that fails from within (`internal`, `actor_failed`), not for want of
/// something it waits for.
pub const BROKEN_ATTEMPTS_MAX: u32 = 10;
/// How long a receiver remembers where it is with a sender that is silent, milliseconds. Longer
/// than a message lives.
pub const SENDER_MILLIS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// Most alarms of one object that are set at once.
pub const ALARMS_MAX: u64 = 1_000;
/// Longest name of an alarm.
pub const ALARM_NAME_BYTES_MAX: usize = 128;
/// Most events one call of `on_change` is given.
pub const CHANGES_MAX: usize = 500;
/// Log bytes read for one call of `on_change`, give or take one turn.
pub const CHANGES_BYTES: usize = 1_000_000;
