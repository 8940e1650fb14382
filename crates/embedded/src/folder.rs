//! The data folder: one process at a time, and a file per actor.
//!
//! ```text
//! DATA/lock                      held by the running process
//! DATA/registry/<0-3>.db         types (in 0) and objects
//! DATA/credentials.json          the key of the S3 endpoint
//! DATA/objects/<type>/<2 hex>/<32 hex>.db
//! DATA/tables/<type>/<collection>.db
//! DATA/lake/…                    blobs, when no S3 store is set
//! DATA/cold/…                    snapshots in the cold tier, when no S3 store is set
//! ```
//! An object's file is named by the BLAKE3 hash of its address, so no id can reach outside.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_core::{ActorKind, Address};
use tidelog_log::{Error, Result};

use crate::BlobMemory;

/// An open data folder; dropping it lets another process in.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    _lock: File,
    blobs: Arc<BlobMemory>,
}

impl Folder {
    /// Opens or makes the folder and takes its lock.
    ///
    /// # Errors
    /// `data_folder_in_use` when another process holds it, `storage_failed` from the file system.
    pub fn open(root: &Path) -> Result<Self> {
        make_folder(root)?;
        let path = root.join("lock");
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| failed(&path, &e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                drop(lock.read_to_string(&mut holder));
                return Err(Error::conflict(
                    "data_folder_in_use",
                    format!("{} is held by process {}", root.display(), holder.trim()),
                ));
            }
            Err(TryLockError::Error(e)) => return Err(failed(&path, &e)),
        }
        let id = format!("{}\n", std::process::id());
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| lock.write_all(id.as_bytes()))
            .map_err(|e| failed(&path, &e))?;
        Ok(Self {
            root: root.to_owned(),
            _lock: lock,
            blobs: Arc::default(),
        })
    }

    /// The same with a memory of at most so many bytes for the blobs in its files.
    #[must_use]
    pub fn remembering(mut self, bytes_max: u64) -> Self {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        self.blobs = Arc::new(BlobMemory::new(bytes_max));
        self
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is remembered of the blobs in its files.
    pub fn blobs(&self) -> &Arc<BlobMemory> {
        &self.blobs
    }

    /// The file of one registry shard.
    pub fn registry(&self, shard: usize) -> Result<PathBuf> {
        let folder = self.root.join("registry");
        make_folder(&folder)?;
        Ok(folder.join(format!("{shard}.db")))
    }

    /// Where blobs go when no S3 store is set.
    pub fn lake(&self) -> PathBuf {
        self.root.join("lake")
    }

    /// Where snapshots in the cold tier go when no S3 store is set.
    pub fn cold(&self) -> PathBuf {
        self.root.join("cold")
    }

    /// The file of an actor.
    pub fn actor(&self, address: &Address) -> PathBuf {
        actor_file(&self.root, address)
    }

    /// Makes the folders above an actor's file, durably.
    pub fn make_room(&self, address: &Address) -> Result<PathBuf> {
        let file = self.actor(address);
        if let Some(parent) = file.parent() {
            make_folder(parent)?;
        }
        Ok(file)
    }
}

/// The file of an actor below a data folder.
pub fn actor_file(root: &Path, address: &Address) -> PathBuf {
    match address.kind {
        ActorKind::Table => root
            .join("tables")
            .join(&address.type_name)
            .join(format!("{}.db", address.id)),
        ActorKind::Object => {
            let hash = blake3::hash(address.to_string().as_bytes()).to_hex();
            let objects = root.join("objects").join(&address.type_name);
            objects.join(&hash[..2]).join(format!("{}.db", &hash[..32]))
        }
    }
}

/// Makes a folder and those above it, and fsyncs every folder that got a new entry.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        make_folder(parent)?;
    }
    match fs::create_dir(path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(path, &e)),
        _ => {}
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| failed(parent, &e))
}

/// A file-system failure as an error that names the path.
pub(crate) fn failed(path: &Path, error: &std::io::Error) -> Error {
    let code = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "storage_full",
        _ => "storage_failed",
    };
    Error::unavailable(code, format!("{}: {error}", path.display()))
}
