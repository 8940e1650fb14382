//! Read connections: each sees one committed state, and none waits for a turn.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, MutexGuard};

use tidelog_api::Meter;
use tidelog_core::{Address, View};
use tidelog_log::{Error, Result};
use tokio::sync::Semaphore;

use crate::folder::Folder;
use crate::meters::Meters;
use crate::sqlite::Sqlite;

/// Reads that run at once; more wait their turn.
const READS_MAX: usize = 32;
/// Idle connections kept in all.
const IDLE_MAX: usize = 128;

/// The pool of read connections.
#[derive(Debug)]
pub(crate) struct Readers {
    folder: Arc<Folder>,
    meters: Arc<Meters>,
    idle: Mutex<BTreeMap<Address, Vec<Reader>>>,
    permits: Semaphore,
}

#[derive(Debug)]
struct Reader {
    sql: Sqlite,
    view: View,
    /// Device and inode: a file that was taken back is not the one made after it.
    file: (u64, u64),
}

impl Readers {
    pub(crate) fn new(folder: Arc<Folder>, meters: Arc<Meters>) -> Self {
        Self {
            folder,
            meters,
            idle: Mutex::default(),
            permits: Semaphore::new(READS_MAX),
        }
    }

    /// Answers a request: runs `read` on a blocking thread, in one transaction over committed data.
    ///
    /// # Errors
    /// `unknown_object` when the object was never written.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        object: &Address,
        read: impl FnOnce(&View, &Sqlite) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read_metered(object, 1, read).await
    }

    /// The same for the host itself, metered as no request.
    pub(crate) async fn read_own<T: Send + 'static>(
        self: &Arc<Self>,
        object: &Address,
        read: impl FnOnce(&View, &Sqlite) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read_metered(object, 0, read).await
    }

    async fn read_metered<T: Send + 'static>(
        self: &Arc<Self>,
        object: &Address,
        requests: u64,
        read: impl FnOnce(&View, &Sqlite) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _permit = self.permits.acquire().await.map_err(|_| stopping())?;
        let (readers, object) = (Arc::clone(self), object.clone());
        let done =
            tokio::task::spawn_blocking(move || readers.read_now(&object, requests, read)).await;
        done.map_err(|e| Error::internal(format!("a read failed: {e}")))?
    }

    fn read_now<T>(
        &self,
        object: &Address,
        requests: u64,
        read: impl FnOnce(&View, &Sqlite) -> Result<T>,
    ) -> Result<T> {
        let mut reader = self.take(object)?;
        reader.sql.begin_read()?;
        let done = reader
            .view
            .refresh(&reader.sql)
            .and_then(|()| read(&reader.view, &reader.sql));
        reader.sql.rollback();
        let rows = reader.sql.take_rows();
        self.meters.add(object, &Meter { requests, ..rows });
        self.put_back(object, reader);
        done
    }

    fn take(&self, object: &Address) -> Result<Reader> {
        let path = self.folder.actor(object);
        let Ok(found) = std::fs::metadata(&path) else {
            return Err(unknown_object(object));
        };
        let file = (found.dev(), found.ino());
        while let Some(reader) = self.pooled(object) {
            if reader.file == file {
                return Ok(reader);
            }
        }
        let sql = Sqlite::reader(&path)?.remembering(self.folder.blobs());
        // A file that was made but never written to has no tables yet.
        let view =
            View::open(&sql, object).map_err(|e| match e.message().contains("no such table") {
                true => unknown_object(object),
                false => e,
            })?;
        Ok(Reader { sql, view, file })
    }

    fn pooled(&self, object: &Address) -> Option<Reader> {
        self.lock().get_mut(object).and_then(Vec::pop)
    }

    fn put_back(&self, object: &Address, reader: Reader) {
        let mut idle = self.lock();
        idle.entry(object.clone()).or_default().push(reader);
        while idle.values().map(Vec::len).sum::<usize>() > IDLE_MAX {
            let Some(mut first) = idle.first_entry() else {
                break;
            };
            first.get_mut().pop();
            if first.get().is_empty() {
                first.remove();
            }
        }
    }

    /// Closes what is idle; the next read opens again.
    pub(crate) fn close_idle(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Address, Vec<Reader>>> {
        self.idle
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

pub(crate) fn unknown_object(object: &Address) -> Error {
    Error::not_found(
        "unknown_object",
        format!("{} was never written", object.short()),
    )
    .at("id")
}

pub(crate) fn stopping() -> Error {
    Error::unavailable("not_ready", "the server is stopping")
}
