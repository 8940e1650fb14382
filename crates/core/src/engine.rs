//! The engine of one object: inputs in, effects out, nothing else.

use std::sync::Arc;

use tidelog_log::{Error, Kind, Result, Sequence};

use crate::folded::{FOLD, MainState};
use crate::sql::{Sql, atomically};
use crate::table::log::Head;
use crate::table::{cursors, idempotency, log, meta, wakes};
use crate::{Address, Caller, Mutation, ObjectState, TurnReply, TypeSchema, View};

/// How long the log keeps what every destination has committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPolicy {
    /// Records younger than this stay, milliseconds.
    pub keep_millis: i64,
    /// Writes are refused (`log_full`) while the log is larger than this, bytes.
    pub bytes_max: u64,
}

impl Default for LogPolicy {
    /// 7 days, 8 GB (a Durable Object holds 10 GB).
    fn default() -> Self {
        Self {
            keep_millis: 7 * 24 * 60 * 60 * 1_000,
            bytes_max: 8_000_000_000,
        }
    }
}

/// One input, with the time and the randomness it may use.
#[derive(Clone, Debug)]
pub struct Input {
    /// Milliseconds since 1970.
    pub now: i64,
    /// Random bytes for the ids this turn makes.
    pub entropy: [u8; 16],
    /// What is asked.
    pub command: Command,
}

/// What an object can be asked to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Change documents: all of them or none.
    Write {
        /// The registry's newest version of the type; older than the object's own is ignored.
        schema: Arc<TypeSchema>,
        /// Who asks.
        caller: Caller,
        /// What to change, in order.
        mutations: Vec<Mutation>,
    },
    /// Delete every document, then close the log.
    DeleteObject {
        /// Who asks.
        caller: Caller,
    },
    /// A table actor has everything up to here in a durable Iceberg snapshot.
    Committed {
        /// The table actor's address.
        destination: String,
        /// The last committed event.
        sequence: Sequence,
    },
    /// A table actor met another history under this object's address: open a new epoch with the
    /// next record.
    Fenced,
    /// Run the timers that are due.
    Wake,
}

/// What the host does once the turn is durable.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer the caller.
    Reply(Reply),
    /// The log has grown to here: live readers and table actors have something to read.
    Changed(Sequence),
    /// Call [`Command::Wake`] at this time (milliseconds since 1970) or later.
    WakeAt(i64),
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// To [`Command::Write`].
    Turn(TurnReply),
    /// To [`Command::DeleteObject`].
    State(Box<ObjectState>),
    /// To the others.
    Done,
}

/// One object's engine. After a failed commit of the enclosing transaction, drop it and open
/// another: what it remembers is ahead of the disk.
#[derive(Debug)]
pub struct Engine {
    pub(crate) view: View,
    pub(crate) policy: LogPolicy,
    pub(crate) head: Head,
    pub(crate) status: meta::Status,
    /// Open a new epoch with the next record.
    pub(crate) fenced: bool,
    /// The database undid turns that were taken: what is remembered here is ahead of it.
    undone: bool,
    pub(crate) remembered: u64,
    pub(crate) log_bytes: u64,
    pub(crate) main: MainState,
}

impl Engine {
    /// Opens an object's database, creating the engine's tables in a new one.
    ///
    /// # Errors
    /// `unsupported_format`, or `corrupt` when the file is another object's or its newest record
    /// does not read.
    pub fn open(sql: &dyn Sql, address: &Address, policy: LogPolicy) -> Result<Self> {
        atomically(sql, || {
            crate::table::create(sql)?;
            meta::claim(sql, address)?;
            Ok(Self {
                view: View::open(sql, address)?,
                policy,
                head: log::head(sql)?,
                status: meta::status(sql)?,
                fenced: false,
                undone: false,
                remembered: idempotency::count(sql)?,
                log_bytes: log::size(sql)?.1,
                main: MainState::default(),
            })
        })
    }

    /// Takes one input to completion in one savepoint. An error changes nothing.
    ///
    /// # Errors
    /// Whatever is wrong with the input, and the port's own failures; `storage_failed` once the database
    /// has undone earlier turns of the enclosing transaction.
    pub fn turn(&mut self, sql: &dyn Sql, input: Input) -> Result<Vec<Effect>> {
        if self.undone {
            let message = "earlier turns were undone; the object must be opened again";
            return Err(Error::unavailable("storage_failed", message));
        }
        let Input {
            now,
            entropy,
            command,
        } = input;
        let mut command = Some(command);
        let before = (
            self.head,
            self.status,
            self.fenced,
            self.remembered,
            self.log_bytes,
        );
        let view = self.view.clone();
        let done = atomically(sql, || {
            let command = command
                .take()
                .ok_or_else(|| Error::internal("a turn ran twice"))?;
            let reply = self.run(sql, now, entropy, command)?;
            let wake = wakes::earliest(sql)?;
            Ok((reply, wake))
        });
        let (reply, wake) = match done {
            Ok(done) => done,
            Err(error) => {
                (
                    self.head,
                    self.status,
                    self.fenced,
                    self.remembered,
                    self.log_bytes,
                ) = before;
                self.view = view;
                self.main = MainState::default();
                self.undone = undoes(&error) && log::head(sql).ok() != Some(self.head);
                return Err(error);
            }
        };
        let mut effects = vec![Effect::Reply(reply)];
        if self.head.sequence != before.0.sequence || self.status != before.1 {
            effects.push(Effect::Changed(self.head.sequence));
        }
        effects.extend(wake.map(Effect::WakeAt));
        Ok(effects)
    }

    /// What a reader of this connection sees, the turn just made included.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// `active`, `deleting` or `deleted`.
    pub fn status(&self) -> &'static str {
        self.status.name()
    }

    /// The newest event.
    pub fn head(&self) -> Sequence {
        self.head.sequence
    }

    fn run(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
        command: Command,
    ) -> Result<Reply> {
        match command {
            Command::Write {
                schema,
                caller,
                mutations,
            } => self
                .write(sql, now, entropy, &schema, &caller, mutations)
                .map(Reply::Turn),
            Command::DeleteObject { caller } => {
                self.delete_object(sql, now, &caller)?;
                Ok(Reply::State(Box::new(self.view.state(sql)?)))
            }
            Command::Committed {
                destination,
                sequence,
            } => {
                cursors::advance(sql, &destination, sequence.min(self.head.sequence), now)?;
                self.trim(sql, now)?;
                Ok(Reply::Done)
            }
            Command::Fenced => {
                self.fenced = true;
                Ok(Reply::Done)
            }
            Command::Wake => {
                for name in wakes::due(sql, now)? {
                    self.wake(sql, now, &name)?;
                }
                Ok(Reply::Done)
            }
        }
    }

    /// Runs one timer in a savepoint of its own; one that fails is tried again later.
    fn wake(&mut self, sql: &dyn Sql, now: i64, name: &str) -> Result<()> {
        let before = (
            self.head,
            self.status,
            self.fenced,
            self.remembered,
            self.log_bytes,
        );
        let done = atomically(sql, || {
            wakes::clear(sql, name)?;
            match name {
                DELETE => self.delete_step(sql, now, &Caller::default()),
                FOLD => self.fold(sql, now),
                TRIM => self.trim(sql, now),
                PRUNE => {
                    idempotency::prune(sql, now)?;
                    self.remembered = idempotency::count(sql)?;
                    if self.remembered > 0 {
                        wakes::set(sql, PRUNE, now + PRUNE_MILLIS)?;
                    }
                    Ok(())
                }
                other => Err(Error::corrupt(format!("unknown timer {other:?}"))),
            }
        });
        if done.is_err() {
            (
                self.head,
                self.status,
                self.fenced,
                self.remembered,
                self.log_bytes,
            ) = before;
            self.main = MainState::default();
            wakes::back_off(sql, name, now)?;
        }
        Ok(())
    }

    /// Removes old records that every destination has committed, a bounded number at a time.
    fn trim(&mut self, sql: &dyn Sql, now: i64) -> Result<()> {
        let floor = self.floor(sql)?;
        let gone = log::trim(sql, floor, now - self.policy.keep_millis, TRIM_RECORDS)?;
        if gone > 0 {
            self.log_bytes = log::size(sql)?.1;
        }
        if gone == TRIM_RECORDS {
            wakes::set(sql, TRIM, now + 1)?;
        } else if floor == self.head.sequence && self.head.sequence.0 > 0 {
            wakes::set(
                sql,
                TRIM,
                self.head.timestamp.max(now) + self.policy.keep_millis.max(1_000),
            )?;
        }
        Ok(())
    }

    /// The last event that every destination has committed.
    fn floor(&self, sql: &dyn Sql) -> Result<Sequence> {
        let cursors = cursors::list(sql)?;
        let mut floor = self.head.sequence;
        for prepared in self
            .view
            .collections
            .iter()
            .filter(|p| p.collection.cold.enabled)
        {
            let table = Address::table(&self.view.address.type_name, &prepared.collection.name)?;
            let table = table.to_string();
            let cursor = cursors.iter().find(|cursor| cursor.destination == table);
            floor = floor.min(cursor.map(|cursor| cursor.committed).unwrap_or_default());
        }
        Ok(floor)
    }
}

/// True for failures on which SQLite may roll back the whole transaction by itself.
pub(crate) fn undoes(error: &Error) -> bool {
    matches!(
        error.kind(),
        Kind::Unavailable | Kind::Internal | Kind::Corrupt
    )
}

/// Timer: the next step of deleting the object.
pub(crate) const DELETE: &str = "delete";
/// Timer: trim the log.
pub(crate) const TRIM: &str = "trim";
/// Timer: forget old idempotency keys.
pub(crate) const PRUNE: &str = "prune";
/// How often idempotency keys are pruned.
pub(crate) const PRUNE_MILLIS: i64 = 60 * 60 * 1_000;
/// Records one turn trims at most.
const TRIM_RECORDS: u64 = 1_000;
