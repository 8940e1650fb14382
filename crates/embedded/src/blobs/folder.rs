//! A local folder: durable directories and sorted listings.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tidelog_log::{Error, Result};

use super::failure::{blob_error, file_error, is_unfinished, settle_error};
use super::{PageAsk, PageEntry};

/// Directories remembered as synced; above this all are forgotten and synced once more.
const SETTLED_FOLDERS_MAX: usize = 10_000;

/// The root of a local folder, and which directories under it are known to be on disk.
#[derive(Clone)]
pub(super) struct Folder {
    root: PathBuf,
    settled: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Folder {
    /// Opens or creates the folder, with the store that syncs every put.
    pub(super) fn open(path: &FilePath) -> Result<(Self, LocalFileSystem)> {
        let path = std::path::absolute(path).map_err(file_error)?;
        let present = path.ancestors().find(|above| above.exists());
        create_synced(&path, present.unwrap_or(&path)).map_err(file_error)?;
        let root = path.canonicalize().map_err(file_error)?;
        let store = LocalFileSystem::new_with_prefix(&root).map_err(blob_error)?;
        let folder = Self {
            root,
            settled: Arc::default(),
        };
        Ok((folder, store.with_fsync(true)))
    }

    /// Makes the directory of `blob` durable up to the root.
    ///
    /// `object_store` syncs only the directories one put creates itself: a put beside another that
    /// is still creating the same directory, or after a crash of one, would return too early.
    pub(super) async fn settle(&self, blob: &Path) -> Result<()> {
        let Some((parents, _)) = blob.as_ref().rsplit_once('/') else {
            return Ok(());
        };
        let directory = self.root.join(parents);
        if self.settled().contains(&directory) {
            return Ok(());
        }
        let (root, made) = (self.root.clone(), directory.clone());
        let made = blocking(move || create_synced(&made, &root)).await?;
        made.map_err(settle_error)?;
        let mut settled = self.settled();
        if settled.len() >= SETTLED_FOLDERS_MAX {
            settled.clear();
        }
        settled.insert(directory);
        Ok(())
    }

    /// Lists one page, sorted by key.
    pub(super) async fn page(
        &self,
        store: &Arc<dyn ObjectStore>,
        ask: PageAsk,
    ) -> Result<Vec<PageEntry>> {
        let mut page = Vec::new();
        let mut after = ask.after.clone();
        // A file that is deleted while it is listed leaves a gap, which the next round fills.
        while page.len() < ask.limit {
            let round = PageAsk {
                after: after.take(),
                limit: ask.limit - page.len(),
                ..ask.clone()
            };
            let (root, limit) = (self.root.clone(), round.limit);
            let keys = blocking(move || walk(&root, &round)).await?;
            let keys = keys.map_err(file_error)?;
            after = keys.last().map(|key| end_of(key));
            let found = keys.len();
            for key in keys {
                page.extend(entry(store, key).await?);
            }
            if found < limit {
                break;
            }
        }
        Ok(page)
    }

    fn settled(&self) -> std::sync::MutexGuard<'_, BTreeSet<PathBuf>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last key that `key` stands for: itself, or everything in the folder.
pub(crate) fn end_of(key: &str) -> String {
    match key.ends_with('/') {
        true => format!("{key}{}", char::MAX),
        false => key.to_owned(),
    }
}

async fn entry(store: &Arc<dyn ObjectStore>, key: String) -> Result<Option<PageEntry>> {
    if key.ends_with('/') {
        return Ok(Some(PageEntry::Folder(key)));
    }
    // A name that is not a key was put there by someone else.
    let Ok(path) = Path::parse(&key) else {
        return Ok(None);
    };
    match store.head(&path).await {
        Ok(meta) => Ok(Some(PageEntry::Blob(meta))),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(blob_error(error)),
    }
}

/// Runs file system calls where they may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Error::internal(error.to_string()))
}

/// Creates `directory` and syncs every directory above it, up to and with `base`.
fn create_synced(directory: &FilePath, base: &FilePath) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let above = directory.ancestors().skip(1);
    for changed in above.take_while(|above| above.starts_with(base)) {
        sync_directory(changed)?;
    }
    Ok(())
}

#[cfg(unix)]
fn sync_directory(path: &FilePath) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// Only Unix can open a directory to sync it.
#[cfg(not(unix))]
fn sync_directory(_path: &FilePath) -> io::Result<()> {
    Ok(())
}

/// The keys of one page in order; those of folders end in `/`.
fn walk(root: &FilePath, ask: &PageAsk) -> io::Result<Vec<String>> {
    let start = ask.prefix.rfind('/').map_or("", |at| &ask.prefix[..=at]);
    let parents = start.strip_suffix('/').unwrap_or(start);
    // Also keeps `..` and absolute paths from leaving the root.
    let plain = Path::parse(parents).is_ok_and(|path| path.as_ref() == parents);
    let mut keys = Vec::new();
    if plain && (start.is_empty() || !parents.is_empty()) {
        visit(&root.join(parents), start, ask, &mut keys)?;
    }
    Ok(keys)
}

fn visit(
    directory: &FilePath,
    parent: &str,
    ask: &PageAsk,
    keys: &mut Vec<String>,
) -> io::Result<()> {
    for key in wanted_names(directory, parent, ask)? {
        if keys.len() >= ask.limit {
            break;
        }
        let Some(name) = key[parent.len()..].strip_suffix('/') else {
            keys.push(key);
            continue;
        };
        let inner = directory.join(name);
        if ask.rolled_up && key.starts_with(&ask.prefix) {
            if holds_any(&inner, &key, ask)? {
                keys.push(key);
            }
        } else {
            visit(&inner, &key, ask, keys)?;
        }
    }
    Ok(())
}

/// Whether a directory holds a blob that the page wants: folders exist only through blobs.
fn holds_any(directory: &FilePath, key: &str, ask: &PageAsk) -> io::Result<bool> {
    let one = PageAsk {
        prefix: key.to_owned(),
        after: ask.after.clone(),
        rolled_up: false,
        limit: 1,
    };
    let mut found = Vec::new();
    visit(directory, key, &one, &mut found)?;
    Ok(!found.is_empty())
}

/// The keys of a directory's entries that can lead to the page, sorted.
fn wanted_names(directory: &FilePath, parent: &str, ask: &PageAsk) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut keys = Vec::new();
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        // Links are passed over: they could leave the folder or never end.
        let key = match (kind.is_dir(), kind.is_file()) {
            (true, _) => format!("{parent}{name}/"),
            (_, true) if !is_unfinished(&name) => format!("{parent}{name}"),
            _ => continue,
        };
        if is_wanted(&key, ask) {
            keys.push(key);
        }
    }
    keys.sort_unstable();
    Ok(keys)
}

fn is_wanted(key: &str, ask: &PageAsk) -> bool {
    let after = ask.after.as_deref().unwrap_or_default();
    let folder = key.ends_with('/');
    let under = key.starts_with(&ask.prefix) || (folder && ask.prefix.starts_with(key));
    under && (key > after || (folder && after.starts_with(key)))
}

fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}
