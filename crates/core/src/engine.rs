//! The engine of one object: inputs in, effects out, nothing else.

use std::sync::Arc;

use tidelog_log::{Error, Kind, Result, Sequence};

use crate::actor::{self, ActorCommand, Behaviour, MessageReply};
use crate::folded::{FOLD, MainState};
use crate::segment::{SEGMENT, Unfolded};
use crate::snapshot;
use crate::snapshot::{
    Job, KeysSeen, RETAIN, SCHEDULE, SCRATCH, SNAPSHOT, Schedule, SnapshotCommand, SnapshotPolicy,
    SnapshotReply,
};
use crate::sql::{Sql, atomically};
use crate::table::log::Head;
use crate::table::{cursors, idempotency, log, meta, wakes};
use crate::transfer::{TRANSFER, TransferCommand};
use crate::{
    Address, AdminCommand, Caller, Mutation, ObjectState, Touched, TurnReply, TypeSchema, View,
};

/// How long the log keeps what every destination has committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPolicy {
    /// Records younger than this stay, milliseconds.
    pub keep_millis: i64,
    /// Writes are refused (`log_full`) while the log is larger than this, bytes.
    pub bytes_max: u64,
    /// The log's old records become a segment once there are so many of them, or
    /// [`segment_bytes`](Self::segment_bytes); 0: never.
    pub segment_records: u64,
    /// Bytes of records that one segment takes, about.
    pub segment_bytes: u64,
    /// The newest records are not old: so many of them, or as many as make
    /// [`segment_bytes`](Self::segment_bytes).
    pub segment_tail: u64,
    /// How much of a snapshot or a restore is done in one turn.
    pub snapshots: SnapshotPolicy,
}

impl Default for LogPolicy {
    /// 7 days, 8 GB (a Durable Object holds 10 GB); segments of 4,096 records or 4 MB after 1,024 newer
    /// ones. Making a segment writes four rows and saves none, so a log that is trimmed before it has
    /// 5,120 records never pays for one, and a longer one pays less than 0.001 rows a record.
    fn default() -> Self {
        Self {
            keep_millis: 7 * 24 * 60 * 60 * 1_000,
            bytes_max: 8_000_000_000,
            segment_records: 4_096,
            segment_bytes: 4_000_000,
            segment_tail: 1_024,
            snapshots: SnapshotPolicy::default(),
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
    /// What the object's actor is asked or told.
    Actor(Box<ActorCommand>),
    /// What is asked about snapshots.
    Snapshot(Box<SnapshotCommand>),
    /// What an administrator asks: it is noted, too.
    Admin(Box<AdminCommand>),
    /// What became of a step that [`View::transfer_due`] asked for.
    Transferred(Box<TransferCommand>),
}

impl Command {
    /// True when an object is made for it that does not exist.
    pub fn makes_object(&self) -> bool {
        match self {
            Self::Write { .. } => true,
            Self::Actor(command) => command.makes_object(),
            Self::Snapshot(command) => command.makes_object(),
            Self::Admin(admin) => admin.command.makes_object(),
            _ => false,
        }
    }
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
    /// There are messages to deliver: [`View::letters_due`].
    Posted,
    /// There is something to transfer: [`View::transfer_due`].
    Transfer,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// To [`Command::Write`].
    Turn(TurnReply),
    /// To [`Command::DeleteObject`].
    State(Box<ObjectState>),
    /// To [`ActorCommand::Message`].
    Message(MessageReply),
    /// To [`Command::Snapshot`] and [`Command::Admin`].
    Snapshot(SnapshotReply),
    /// To the others.
    Done,
}

/// What an engine remembers of its database and a failed turn must not change.
pub(crate) struct Kept {
    head: Head,
    status: meta::Status,
    fenced: bool,
    remembered: u64,
    log_bytes: u64,
    unfolded: Unfolded,
    job: Option<Job>,
    schedule: Option<Schedule>,
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
    pub(crate) unfolded: Unfolded,
    pub(crate) main: MainState,
    /// The snapshot or the restore that is under way.
    pub(crate) job: Option<Job>,
    /// How far the schedule of snapshots is.
    pub(crate) schedule: Option<Schedule>,
    /// Keys of a file that is being taken in.
    pub(crate) keys: KeysSeen,
    /// Which events last touched which collections, as far as it is known here.
    pub(crate) touched: Touched,
    pub(crate) behaviour: Option<Behaviour>,
    /// The turn sent messages, or found some to deliver.
    pub(crate) posted: bool,
    /// The turn has, or found, something to transfer.
    pub(crate) transfers: bool,
    /// A panic of the actor's went through.
    pub(crate) panicked: bool,
}

impl Engine {
    /// Opens an object's database, creating the engine's tables in a new one.
    ///
    /// # Errors
    /// `unsupported_format`, or `corrupt` when the file is another object's or its newest record
    /// does not read.
    pub fn open(sql: &dyn Sql, address: &Address, policy: LogPolicy) -> Result<Self> {
        Self::open_as(sql, address, policy, None)
    }

    /// Opens an object that has an actor, perhaps.
    ///
    /// # Errors
    /// Those of [`Engine::open`].
    pub fn open_as(
        sql: &dyn Sql,
        address: &Address,
        policy: LogPolicy,
        behaviour: Option<&Behaviour>,
    ) -> Result<Self> {
        atomically(sql, || {
            crate::table::create(sql)?;
            if behaviour.is_some() {
                crate::table::actor::create(sql)?;
            }
            meta::claim(sql, address)?;
            let head = log::head(sql)?;
            Ok(Self {
                view: View::open(sql, address)?,
                policy,
                touched: Touched::since(&head),
                head,
                status: meta::status(sql)?,
                fenced: false,
                undone: false,
                remembered: idempotency::count(sql)?,
                log_bytes: log::size(sql)?.bytes,
                unfolded: Unfolded::of(sql)?,
                main: MainState::default(),
                job: Job::load(sql)?,
                keys: KeysSeen::default(),
                schedule: Schedule::load(sql)?,
                behaviour: behaviour.cloned(),
                posted: false,
                transfers: false,
                panicked: false,
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
        let before = self.kept();
        let view = self.view.clone();
        let done = atomically(sql, || {
            let command = command
                .take()
                .ok_or_else(|| Error::internal("a turn ran twice"))?;
            let reply = self.run(sql, now, entropy, command)?;
            let wake = wakes::earliest(sql)?;
            Ok((reply, wake))
        });
        let sequence_and_status = (before.head.sequence, before.status);
        let (reply, wake) = match done {
            Ok(done) => done,
            Err(error) => {
                self.put_back(before);
                self.view = view;
                (self.posted, self.transfers) = (false, false);
                self.undone = undoes(&error) && log::head(sql).ok() != Some(self.head);
                return Err(error);
            }
        };
        let mut effects = vec![Effect::Reply(reply)];
        if (self.head.sequence, self.status) != sequence_and_status {
            effects.push(Effect::Changed(self.head.sequence));
        }
        effects.extend(wake.map(Effect::WakeAt));
        effects.extend(std::mem::take(&mut self.posted).then_some(Effect::Posted));
        effects.extend(std::mem::take(&mut self.transfers).then_some(Effect::Transfer));
        Ok(effects)
    }

    /// What a reader of this connection sees, the turn just made included.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Which events last touched which collections, for [`View::stamp`].
    pub fn touched(&self) -> &Touched {
        &self.touched
    }

    /// True once the actor has panicked. The turn was undone like any that fails; a host that wants to
    /// be sure opens the object again.
    pub fn panicked(&self) -> bool {
        self.panicked
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
                    self.wake(sql, now, entropy, &name)?;
                }
                Ok(Reply::Done)
            }
            Command::Actor(command) => self.act(sql, now, entropy, *command),
            Command::Snapshot(command) => self.snapshot(sql, now, entropy, *command),
            Command::Admin(admin) => self.admin(sql, now, entropy, *admin),
            Command::Transferred(told) => self.transferred(sql, (now, entropy), *told),
        }
    }

    /// True for timers that would change, while a snapshot is taken or a state is brought back, what
    /// that goes by.
    fn must_wait(&self, name: &str) -> bool {
        let Some(job) = &self.job else {
            return false;
        };
        match name {
            FOLD => !job.waits(),
            SCHEDULE | RETAIN => true,
            SNAPSHOT | TRANSFER | TRIM | PRUNE | SEGMENT => false,
            _ => job.keeps_writes_out(),
        }
    }

    pub(crate) fn kept(&self) -> Kept {
        Kept {
            head: self.head,
            status: self.status,
            fenced: self.fenced,
            remembered: self.remembered,
            log_bytes: self.log_bytes,
            unfolded: self.unfolded,
            job: self.job.clone(),
            schedule: self.schedule.clone(),
        }
    }

    /// Goes back to what was remembered before a turn that failed.
    pub(crate) fn put_back(&mut self, kept: Kept) {
        self.head = kept.head;
        self.status = kept.status;
        self.fenced = kept.fenced;
        self.remembered = kept.remembered;
        self.log_bytes = kept.log_bytes;
        self.unfolded = kept.unfolded;
        self.job = kept.job;
        self.schedule = kept.schedule;
        self.main = MainState::default();
        self.keys = KeysSeen::default();
    }

    /// Runs one timer in a savepoint of its own; one that fails is tried again later.
    pub(crate) fn wake(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
        name: &str,
    ) -> Result<()> {
        let before = self.kept();
        let done = atomically(sql, || {
            wakes::clear(sql, name)?;
            if self.must_wait(name) {
                return wakes::set(sql, name, now + JOB_WAIT_MILLIS);
            }
            match name {
                SNAPSHOT => self.snapshot_wake(sql, now, entropy),
                SCHEDULE => self.schedule_wake(sql, now, entropy),
                RETAIN => self.retain_wake(sql, now),
                SCRATCH => self.scratch_wake(sql, now),
                DELETE => self.delete_step(sql, now, &Caller::default()),
                FOLD => self.fold(sql, now),
                SEGMENT => self.fold_log(sql, now),
                TRANSFER => self.transfer_timer(sql, now),
                TRIM => self.trim(sql, now),
                EXPIRE => self.expire(sql, now),
                PRUNE => {
                    idempotency::prune(sql, now)?;
                    self.remembered = idempotency::count(sql)?;
                    if self.remembered > 0 {
                        wakes::set(sql, PRUNE, now + PRUNE_MILLIS)?;
                    }
                    Ok(())
                }
                name if actor::is_timer(name) => self.actor_wake(sql, now, entropy, name),
                other => Err(Error::corrupt(format!("unknown timer {other:?}"))),
            }
        });
        if let Err(error) = done {
            self.put_back(before);
            if name == SNAPSHOT && Self::is_lost(&error) {
                return self.give_up(sql, now, &error);
            }
            if name == SCHEDULE && Self::is_lost(&error) {
                return self.schedule_failed(sql, now, &error);
            }
            wakes::back_off(sql, name, now)?;
            actor::note_failure(sql, name, &error)?;
        }
        Ok(())
    }

    /// Removes old records that every destination has committed, a bounded number at a time.
    fn trim(&mut self, sql: &dyn Sql, now: i64) -> Result<()> {
        let free = self.floor(sql)?;
        let held = self.schedule_holds(sql)?;
        let floor = held.map_or(free, |held| held.min(free));
        let gone = log::trim(sql, floor, now - self.policy.keep_millis, TRIM_RECORDS)?;
        if gone > 0 {
            self.log_bytes = log::size(sql)?.bytes;
            self.unfolded.count(sql)?;
        }
        if gone >= TRIM_RECORDS {
            wakes::set(sql, TRIM, now + 1)?;
        } else if free == self.head.sequence && self.head.sequence.0 > 0 {
            wakes::set(
                sql,
                TRIM,
                self.head.timestamp.max(now) + self.policy.keep_millis.max(1_000),
            )?;
        }
        Ok(())
    }

    /// Sees to it that what was kept for a reader that has moved on is trimmed in its time.
    pub(crate) fn trim_later(&self, sql: &dyn Sql) -> Result<()> {
        let keep = self.policy.keep_millis.max(1_000);
        wakes::set(sql, TRIM, self.head.timestamp + keep)
    }

    /// The last event that every destination has committed.
    fn floor(&self, sql: &dyn Sql) -> Result<Sequence> {
        let cursors = cursors::list(sql)?;
        let mut floor = self.head.sequence;
        if let Some(followed) = self.followed(sql)? {
            floor = floor.min(followed);
        }
        if let Some(after) = self.job.as_ref().and_then(Job::needs_log_after) {
            floor = floor.min(after);
        }
        if snapshot::ends_at(sql)?.is_some() {
            return Ok(floor);
        }
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
/// Timer: delete documents for their age.
pub(crate) const EXPIRE: &str = "expire";
/// Timer: forget old idempotency keys.
pub(crate) const PRUNE: &str = "prune";
/// How often idempotency keys are pruned.
pub(crate) const PRUNE_MILLIS: i64 = 60 * 60 * 1_000;
/// How long timers wait that a snapshot or a restore keeps from running.
const JOB_WAIT_MILLIS: i64 = 1_000;
/// Records one turn trims at most.
const TRIM_RECORDS: u64 = 1_000;
