//! Messages between objects: sending, taking each once, and what became of them.

use tidelog_log::limits::LABEL_BYTES_MAX;
use tidelog_log::{Error, Kind, Result};

use super::context::Send;
use super::letter::may_mend;
use super::limits::{LETTER_MILLIS_MAX, OUTBOX_BYTES_MAX, OUTBOX_LETTERS_MAX, SENDER_MILLIS};
use super::timers::{OUTBOX, SENDERS, SENDERS_PRUNE_MILLIS};
use super::turn::Occasion;
use super::{Letter, Outcome};
use crate::sql::Sql;
use crate::table::{actor, failed_letters, outbox, senders, wakes};
use crate::{Address, Caller, Engine, TypeSchema, View};

/// The timer that looks after letters whose delivery was forgotten rings this much later.
const LOOK_AGAIN_MILLIS: i64 = 30_000;

/// Senders forgotten in one turn at most.
const SENDERS_STEP: u64 = 1_000;

impl View {
    /// The messages that are due for delivery: the first for each receiver, the oldest first. The
    /// next for the same receiver is due once the host has said what became of this one.
    ///
    /// # Errors
    /// What the database says.
    pub fn letters_due(&self, sql: &dyn Sql, now: i64, limit: u64) -> Result<Vec<Letter>> {
        match actor::exists(sql)? {
            true => outbox::due(sql, &self.address, now, limit),
            false => Ok(Vec::new()),
        }
    }
}

impl Engine {
    /// Puts what a turn sends into the outbox.
    pub(super) fn post(
        &mut self,
        sql: &dyn Sql,
        occasion: &Occasion<'_>,
        sends: Vec<Send>,
    ) -> Result<()> {
        if sends.is_empty() {
            return Ok(());
        }
        check_room(sql, &sends)?;
        let mut number = actor::number(sql, actor::SENT)?.unwrap_or(0);
        for send in sends {
            number += 1;
            let letter = Letter {
                from: self.view.address.clone(),
                epoch: self.head.epoch,
                number,
                to: send.to,
                message: send.message,
                body: send.body,
                correlation_id: occasion.caller.correlation_id.clone(),
                trace_parent: occasion.caller.trace_parent.clone(),
            };
            outbox::put(sql, &letter, &send.text, occasion.now)?;
        }
        actor::set_number(sql, actor::SENT, number)?;
        wakes::set(sql, OUTBOX, occasion.now + LOOK_AGAIN_MILLIS)?;
        self.posted = true;
        Ok(())
    }

    /// Takes a letter, unless it was taken before. Its mark moves with what the actor did, so it is
    /// handled exactly once; a letter that is refused leaves no mark.
    pub(super) fn deliver(
        &mut self,
        sql: &dyn Sql,
        (now, entropy): (i64, [u8; 16]),
        schema: &TypeSchema,
        letter: Letter,
    ) -> Result<()> {
        let (sender, place) = (letter.from.to_string(), letter.place());
        let known = match actor::exists(sql)? {
            true => senders::mark(sql, &sender)?,
            false => None,
        };
        if known.is_some_and(|mark| place <= mark) {
            return Ok(());
        }
        let caller = Caller {
            source: label(letter.from.short()),
            correlation_id: letter.correlation_id,
            trace_parent: letter.trace_parent,
            idempotency_key: String::new(),
        };
        let occasion = Occasion {
            now,
            entropy,
            caller: &caller,
            sender: Some(&letter.from),
            cause: &format!("message:{}", letter.message),
        };
        self.handle(sql, &occasion, schema, &letter.message, letter.body)?;
        senders::put(sql, &sender, place, now)?;
        wakes::set(sql, SENDERS, now + SENDERS_PRUNE_MILLIS)
    }

    /// Takes note of what became of a letter: gone when it was taken, later when trying again may
    /// help, among the failed ones otherwise. The letters behind it are then due.
    pub(super) fn delivered(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        to: &Address,
        number: u64,
        outcome: &Outcome,
    ) -> Result<()> {
        let receiver = to.to_string();
        let Some((standing, message, body)) = outbox::find(sql, &receiver, number)? else {
            return Ok(());
        };
        match outcome {
            Outcome::Taken => outbox::remove(sql, &receiver, number)?,
            Outcome::Failed(error)
                if may_mend(error, standing.attempts + 1)
                    && now - standing.at < LETTER_MILLIS_MAX =>
            {
                let next = now + wakes::backoff(standing.attempts);
                outbox::put_off(sql, &receiver, number, next)?;
            }
            Outcome::Failed(error) => {
                let letter = (message.as_str(), body.as_str());
                failed_letters::put(sql, (&receiver, number), letter, error, now)?;
                outbox::remove(sql, &receiver, number)?;
            }
        }
        look_after(sql, now).map(drop)
    }

    /// The outbox's timer: says again that there is something to deliver.
    pub(super) fn outbox_timer(&mut self, sql: &dyn Sql, now: i64) -> Result<()> {
        self.posted |= look_after(sql, now)?;
        Ok(())
    }

    /// Forgets senders that were silent for longer than a letter lives.
    pub(super) fn senders_timer(&self, sql: &dyn Sql, now: i64) -> Result<()> {
        let more = senders::prune(sql, now - SENDER_MILLIS, SENDERS_STEP)?;
        match (more, senders::is_empty(sql)?) {
            (_, true) => Ok(()),
            (true, _) => wakes::set(sql, SENDERS, now + 1),
            (false, _) => wakes::set(sql, SENDERS, now + SENDERS_PRUNE_MILLIS),
        }
    }
}

/// Sets the outbox's timer to when it is needed next. True when something is due now.
fn look_after(sql: &dyn Sql, now: i64) -> Result<bool> {
    let Some(next) = outbox::next(sql)? else {
        wakes::clear(sql, OUTBOX)?;
        return Ok(false);
    };
    let due = next <= now;
    let wanted = if due { now + LOOK_AGAIN_MILLIS } else { next };
    // Delivery goes on and this is only for when it is forgotten: any time that is set will do.
    let set = wakes::at(sql, OUTBOX)?;
    if !(due && set.is_some_and(|at| now < at && at <= wanted)) && set != Some(wanted) {
        wakes::reset(sql, OUTBOX, wanted)?;
    }
    Ok(due)
}

fn check_room(sql: &dyn Sql, sends: &[Send]) -> Result<()> {
    let (letters, bytes) = outbox::size(sql)?;
    let more: u64 = sends.iter().map(|send| send.text.len() as u64).sum();
    let fits =
        letters + sends.len() as u64 <= OUTBOX_LETTERS_MAX && bytes + more <= OUTBOX_BYTES_MAX;
    if fits {
        return Ok(());
    }
    let message = format!(
        "{letters} messages of {bytes} bytes wait for their receivers; {OUTBOX_LETTERS_MAX} and \
         {OUTBOX_BYTES_MAX} bytes may"
    );
    Err(Error::new(Kind::Unavailable, "outbox_full", message))
}

/// A text as a label of the log: cut where it is too long.
fn label(mut text: String) -> String {
    let mut end = text.len().min(LABEL_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
