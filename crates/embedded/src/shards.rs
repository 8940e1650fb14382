//! The threads that run objects. An object is pinned to one by its address; a turn never awaits,
//! so a thread needs no runtime: it takes what waits, groups it by object, and commits per object.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tidelog_core::{Actors, Address, Command, Effect, Reply};
use tidelog_log::{Error, Result};
use tokio::sync::oneshot;

use crate::clock;
use crate::dirty::Dirty;
use crate::folder::Folder;
use crate::meters::{GroupMeter, Meters};
use crate::metrics::Metrics;
use crate::object::{OpenObject, reply_of};
use crate::post::Posted;
use crate::readers::{stopping, unknown_object};
use crate::registry::Registry;
use crate::settings::Settings;
use crate::signals::{Signals, Tip};
use crate::warm::Touches;

/// Inputs one transaction takes at most.
const GROUP_MAX: usize = 256;
/// Objects one thread keeps open at most.
const OPEN_MAX: usize = 256;

/// What every object thread shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) folder: Arc<Folder>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) dirty: Arc<Dirty>,
    pub(crate) posted: Arc<Posted>,
    /// Objects with something to transfer.
    pub(crate) transfers: Arc<Posted>,
    pub(crate) actors: Actors,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) touches: Touches,
}

/// One input on its way to an object.
struct Waiting {
    object: Address,
    command: Command,
    answer: oneshot::Sender<Result<Reply>>,
}

enum Message {
    Turn(Box<Waiting>),
    /// Run the object's timers at this time.
    WakeAt(Address, i64),
    Stop,
}

/// The way to the object threads.
#[derive(Debug)]
pub(crate) struct Shards {
    queues: Vec<SyncSender<Message>>,
    threads: std::sync::Mutex<Vec<JoinHandle<()>>>,
    metrics: Arc<Metrics>,
}

impl Shards {
    /// Starts the threads.
    pub(crate) fn start(shared: &Arc<Shared>) -> Result<Self> {
        let (mut queues, mut threads) = (Vec::new(), Vec::new());
        for at in 0..shared.settings.threads {
            let (sender, receiver) = sync_channel(shared.settings.queue);
            let shard = Shard {
                shared: Arc::clone(shared),
                open: BTreeMap::new(),
                wakes: BTreeMap::new(),
            };
            let thread = std::thread::Builder::new()
                .name(format!("objects-{at}"))
                .spawn(move || shard.run(&receiver))
                .map_err(|e| Error::internal(format!("cannot start a thread: {e}")))?;
            queues.push(sender);
            threads.push(thread);
        }
        let threads = std::sync::Mutex::new(threads);
        Ok(Self {
            queues,
            threads,
            metrics: Arc::clone(&shared.metrics),
        })
    }

    /// Hands an input to an object and waits for the answer, which comes once it is durable.
    ///
    /// # Errors
    /// `busy` when the thread's queue is full; whatever the object refuses.
    pub(crate) async fn turn(&self, object: &Address, command: Command) -> Result<Reply> {
        let (answer, answered) = oneshot::channel();
        let waiting = Box::new(Waiting {
            object: object.clone(),
            command,
            answer,
        });
        self.send(object, Message::Turn(waiting))?;
        answered.await.map_err(|_| stopping())?
    }

    /// Sees to it that an object's timers run.
    pub(crate) fn wake_at(&self, object: &Address, at: i64) -> Result<()> {
        self.send(object, Message::WakeAt(object.clone(), at))
    }

    fn send(&self, object: &Address, message: Message) -> Result<()> {
        let hash = blake3::hash(object.to_string().as_bytes());
        let at = usize::from(hash.as_bytes()[1]) % self.queues.len().max(1);
        let queue = self.queues.get(at).ok_or_else(stopping)?;
        queue.try_send(message).map_err(|e| match e {
            TrySendError::Full(_) => {
                self.metrics.queue_full.add(1);
                Error::unavailable("busy", "too many inputs wait; try again in a second")
            }
            TrySendError::Disconnected(_) => stopping(),
        })
    }

    /// Finishes what waits and closes every object.
    pub(crate) fn stop(&self) {
        for queue in &self.queues {
            drop(queue.send(Message::Stop));
        }
        let mut threads = self
            .threads
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for thread in threads.drain(..) {
            drop(thread.join());
        }
    }
}

struct Opened {
    object: OpenObject,
    used: Instant,
    noted: &'static str,
    /// The file was made for a first write that has not been taken yet.
    unborn: bool,
}

/// One thread's objects.
struct Shard {
    shared: Arc<Shared>,
    open: BTreeMap<Address, Opened>,
    wakes: BTreeMap<Address, i64>,
}

impl Shard {
    fn run(mut self, queue: &Receiver<Message>) {
        loop {
            let mut groups: BTreeMap<Address, Vec<Waiting>> = BTreeMap::new();
            let mut running = match queue.recv_timeout(self.patience()) {
                Ok(first) => self.sort(first, &mut groups),
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            while running && groups.values().map(Vec::len).sum::<usize>() < GROUP_MAX {
                let Ok(next) = queue.try_recv() else { break };
                running = self.sort(next, &mut groups);
            }
            for (object, waiting) in groups {
                self.group(&object, waiting);
            }
            self.run_timers();
            self.close_idle();
            if !running {
                return;
            }
        }
    }

    /// False for the message that ends the thread.
    fn sort(&mut self, message: Message, groups: &mut BTreeMap<Address, Vec<Waiting>>) -> bool {
        match message {
            Message::Turn(waiting) => {
                groups
                    .entry(waiting.object.clone())
                    .or_default()
                    .push(*waiting);
            }
            Message::WakeAt(object, at) => self.set_timer(object, at),
            Message::Stop => return false,
        }
        true
    }

    fn set_timer(&mut self, object: Address, at: i64) {
        self.wakes
            .entry(object)
            .and_modify(|set| *set = at.min(*set))
            .or_insert(at);
    }

    /// How long to wait for the next input.
    fn patience(&self) -> Duration {
        let next = self
            .wakes
            .values()
            .min()
            .map_or(1_000, |at| at.saturating_sub(clock::now()));
        Duration::from_millis(u64::try_from(next).unwrap_or(0).min(1_000))
    }

    fn run_timers(&mut self) {
        let now = clock::now();
        let due: Vec<Address> = self
            .wakes
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(o, _)| o.clone())
            .collect();
        for object in due {
            self.wakes.remove(&object);
            let answers = self.take_group(&object, vec![Command::Wake]);
            if answers.iter().any(Result::is_err) {
                // The file could not be opened or written: the timers in it are not lost.
                self.set_timer(object, now + 5_000);
            }
        }
    }

    fn group(&mut self, object: &Address, waiting: Vec<Waiting>) {
        let (commands, answers): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|w| (w.command, w.answer)).unzip();
        for (result, answer) in self.take_group(object, commands).into_iter().zip(answers) {
            // The caller may have gone; the turn stands all the same.
            drop(answer.send(result));
        }
    }

    /// Runs a group and its effects; what it returns may leave the process.
    fn take_group(&mut self, object: &Address, commands: Vec<Command>) -> Vec<Result<Reply>> {
        let count = commands.len();
        let writes = commands.iter().any(Command::makes_object);
        let opened = match self.opened(object, writes) {
            Ok(opened) => opened,
            Err(error) => return vec![Err(error); count],
        };
        let meter = GroupMeter::start(&opened.object, &commands);
        let outcome = opened.object.group(commands);
        let did = meter.finish(&opened.object, outcome.usable);
        opened.used = clock::instant();
        let engine = opened.object.engine();
        let (status, head) = (engine.status(), engine.head());
        let noted = std::mem::replace(&mut opened.noted, status);
        // The turn was undone, but what a panic went through is not trusted again.
        let panicked = engine.panicked();
        let unborn = opened.unborn;
        opened.unborn &= opened.object.is_blank();
        if unborn && opened.unborn {
            self.unmake(object);
        } else if !outcome.usable {
            self.open.remove(object);
        } else if noted != status
            && let Err(error) = self.shared.registry.note(object, status)
        {
            tracing_failure("the registry did not take an object's status", &error);
        }
        if panicked {
            self.open.remove(object);
        }
        self.shared.meters.add(object, &did);
        let metrics = &self.shared.metrics;
        metrics.groups.add(1);
        metrics.turns.add(count as u64);
        metrics
            .turns_refused
            .add(outcome.answers.iter().filter(|a| a.is_err()).count() as u64);
        let mut grown = false;
        let mut replies = Vec::with_capacity(count);
        for answer in outcome.answers {
            let effects = answer.inspect(|effects| {
                grown |= effects.iter().any(|e| matches!(e, Effect::Changed(_)));
                for effect in effects {
                    if let Effect::WakeAt(at) = effect {
                        self.wakes.insert(object.clone(), *at);
                    } else if matches!(effect, Effect::Posted) {
                        self.shared.posted.mark(object);
                    } else if matches!(effect, Effect::Transfer) {
                        self.shared.transfers.mark(object);
                    }
                }
            });
            replies.push(effects.and_then(reply_of));
        }
        if grown {
            if let Some(opened) = self.open.get(object) {
                self.shared.touches.publish(object, opened.object.engine());
            }
            self.shared.signals.grown(
                object,
                Tip {
                    head,
                    closed: status == "deleted",
                },
            );
            self.shared.dirty.mark(object, clock::now());
        }
        replies
    }

    fn opened(&mut self, object: &Address, create: bool) -> Result<&mut Opened> {
        if !self.open.contains_key(object) {
            let opened = self.open_file(object, create)?;
            self.shared.metrics.objects_opened.add(1);
            self.open.insert(object.clone(), opened);
        }
        self.open
            .get_mut(object)
            .ok_or_else(|| Error::internal("an object vanished"))
    }

    fn open_file(&self, object: &Address, create: bool) -> Result<Opened> {
        let shared = &self.shared;
        let mut path = shared.folder.actor(object);
        let unborn = !path.exists();
        if unborn {
            if !create {
                return Err(unknown_object(object));
            }
            // First the registry, then the file: a crash between leaves a listed, empty object.
            shared.registry.note(object, "active")?;
            path = shared.folder.make_room(object)?;
        }
        let (policy, bytes_max) = (
            shared.settings.log_policy(),
            shared.settings.object_bytes_max,
        );
        let behaviour = shared.actors.of(&object.type_name);
        let blobs = shared.folder.blobs();
        let opened = OpenObject::open_as(&path, object, policy, bytes_max, behaviour, blobs)?;
        let noted = opened.engine().status();
        Ok(Opened {
            object: opened,
            used: clock::instant(),
            noted,
            unborn,
        })
    }

    /// Takes back an object whose first write was refused: a refused request leaves nothing.
    fn unmake(&mut self, object: &Address) {
        self.open.remove(object);
        let path = self.shared.folder.actor(object);
        for suffix in ["-wal", "-shm", ""] {
            let mut file = path.clone().into_os_string();
            file.push(suffix);
            // What cannot be removed is an empty object, which the next write takes up.
            drop(std::fs::remove_file(file));
        }
        if let Err(error) = self.shared.registry.forget(object) {
            tracing_failure(
                "the registry did not forget an object that was not made",
                &error,
            );
        }
    }

    fn close_idle(&mut self) {
        let idle = Duration::from_secs(self.shared.settings.idle_seconds);
        self.open.retain(|_, opened| opened.used.elapsed() < idle);
        while self.open.len() > OPEN_MAX {
            let oldest = self
                .open
                .iter()
                .min_by_key(|(_, o)| o.used)
                .map(|(a, _)| a.clone());
            let Some(oldest) = oldest else { break };
            self.open.remove(&oldest);
        }
    }
}

/// Says on standard error what no caller is there to be told.
#[expect(
    clippy::print_stderr,
    reason = "the log of a server is its standard error"
)]
pub(crate) fn tracing_failure(what: &str, error: &Error) {
    eprintln!("tidelog: {what}: {error}");
}
