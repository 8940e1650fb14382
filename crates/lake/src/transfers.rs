//! What objects have in object storage of their snapshots: the steps that [`View::transfer_due`] asks
//! for, done and checked. Both hosts run this; an object's rows are the only state.
//!
//! [`View::transfer_due`]: tidelog_core::View::transfer_due

use bytes::Bytes;
use tidelog_core::snapshot_file::{FileReader, Frame};
use tidelog_core::{
    COLD_MANIFEST, COLD_MANIFEST_BYTES_MAX, ColdPart, ForkOrder, ForkPlace, PartStart, TransferAsk,
    TransferCommand, TransferOutcome, TransferStep,
};
use tidelog_log::{Error, Kind, Result};

use crate::limits::{FOUND_BYTES_MAX, FOUND_MAX, ORPHANS_PAGE};
use crate::{BlobStore, PutMode};

/// An object, as its host reaches it.
#[expect(
    async_fn_in_trait,
    reason = "used generically on one thread; JavaScript futures are not Send"
)]
pub trait TransferHost {
    /// The next step, once all that it was read from is durable.
    async fn transfer_due(&self) -> Result<Option<TransferAsk>>;

    /// Hands a part of a fork to the object of this id and of the same type; durable there when this
    /// returns.
    async fn hand_over(&self, to: &str, order: ForkOrder, bytes: Vec<u8>) -> Result<ForkPlace>;

    /// Tells the object what became of a step; durable when this returns.
    async fn transferred(&self, told: TransferCommand) -> Result<()>;
}

/// Makes steps until none is due, or so many; says how many it made. `prefix` stands before every key.
///
/// # Errors
/// The object's own failures: what it wants is asked for again.
pub async fn transfer<H: TransferHost, B: BlobStore>(
    object: &H,
    blobs: &B,
    prefix: &str,
    steps_max: usize,
) -> Result<usize> {
    for made in 0..steps_max {
        let Some(TransferAsk { number, step, what }) = object.transfer_due().await? else {
            return Ok(made);
        };
        let outcome = match what {
            TransferStep::Fork { to, order, bytes } => {
                let taken = object.hand_over(&to, order, bytes).await;
                taken.map(TransferOutcome::Forked)
            }
            what => perform(blobs, prefix, what).await,
        };
        let told = TransferCommand {
            number,
            step,
            outcome: outcome.unwrap_or_else(TransferOutcome::Failed),
        };
        object.transferred(told).await?;
    }
    Ok(steps_max)
}

async fn perform<B: BlobStore>(
    blobs: &B,
    prefix: &str,
    what: TransferStep,
) -> Result<TransferOutcome> {
    let at = |key: &str| format!("{prefix}{key}");
    match what {
        TransferStep::Put {
            key,
            manifest,
            body,
            at: start,
            is_there,
        } => {
            let keys = (at(&key), at(&manifest));
            let put = put(blobs, keys, body.into(), &start, is_there).await?;
            Ok(TransferOutcome::Put(put))
        }
        TransferStep::Commit { key, body } => {
            commit(blobs, &at(&key), body.into()).await?;
            Ok(TransferOutcome::Committed)
        }
        TransferStep::Get {
            key,
            part,
            at: start,
        } => {
            let frames = get(blobs, &at(&key), &part, &start).await?;
            Ok(TransferOutcome::Got(frames))
        }
        TransferStep::Forget {
            manifest,
            prefix: of_it,
        } => {
            // Without its manifest, what is left is of no snapshot.
            blobs.delete(&[at(&manifest)]).await?;
            loop {
                let page = blobs.list(&at(&of_it), None, ORPHANS_PAGE).await?;
                if page.is_empty() {
                    return Ok(TransferOutcome::Forgotten);
                }
                let keys: Vec<String> = page.into_iter().map(|blob| blob.key).collect();
                blobs.delete(&keys).await?;
            }
        }
        TransferStep::Discover {
            prefix: of_it,
            after,
        } => discover(blobs, prefix, &of_it, after).await,
        TransferStep::Broken(error) => Err(error),
        TransferStep::Fork { .. } => Err(Error::internal("a fork is handed over by the host")),
    }
}

/// Puts a part, unless it is there, and reads it back.
async fn put<B: BlobStore>(
    blobs: &B,
    (key, manifest): (String, String),
    body: Bytes,
    start: &PartStart,
    is_there: bool,
) -> Result<ColdPart> {
    let wanted = part_of(&body, start)?;
    match blobs.put(&key, body.clone(), PutMode::Absent).await {
        Err(error) if error.code() == "blob_exists" => {
            if is_part(blobs, &key, &wanted).await? {
                return Ok(wanted);
            }
            if !is_there && is_blob(blobs, &manifest).await? {
                return Err(differs(&key));
            }
            blobs.put(&key, body, PutMode::Overwrite).await?;
        }
        other => other?,
    }
    match is_part(blobs, &key, &wanted).await? {
        true => Ok(wanted),
        false => {
            let message = format!("{key:?} was not read back as it was put");
            Err(Error::unavailable("blob_store", message))
        }
    }
}

/// What these bytes of a file are, their frames checked.
fn part_of(body: &Bytes, start: &PartStart) -> Result<ColdPart> {
    Ok(ColdPart {
        bytes: body.len() as u64,
        frames: frames(body, start)?.len() as u64,
        blake3: blake3::hash(body).to_hex().to_string(),
    })
}

/// The frames of a part: all of it, and whole.
fn frames(body: &Bytes, start: &PartStart) -> Result<Vec<Frame>> {
    let mut reader = FileReader::resume(start.frames, start.offset, &start.snapshot);
    let frames = reader.push(body)?;
    match reader.offset() == start.offset + body.len() as u64 {
        true => Ok(frames),
        false => Err(Error::corrupt("a part ends within a frame")),
    }
}

/// True where a blob is this part.
async fn is_part<B: BlobStore>(blobs: &B, key: &str, part: &ColdPart) -> Result<bool> {
    match blobs.get(key, None).await {
        Ok(found) => Ok(is_body(&found, part)),
        Err(error) if error.kind() == Kind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_body(found: &Bytes, part: &ColdPart) -> bool {
    found.len() as u64 == part.bytes && blake3::hash(found).to_hex().as_str() == part.blake3
}

async fn is_blob<B: BlobStore>(blobs: &B, key: &str) -> Result<bool> {
    let found = blobs.list(key, None, 1).await?;
    Ok(found.first().is_some_and(|blob| blob.key == key))
}

/// Puts the manifest, unless the same one is there, and reads it back.
async fn commit<B: BlobStore>(blobs: &B, key: &str, body: Bytes) -> Result<()> {
    match blobs.put(key, body.clone(), PutMode::Absent).await {
        Err(error) if error.code() != "blob_exists" => return Err(error),
        _ => {}
    }
    match blobs.get(key, None).await? == body {
        true => Ok(()),
        false => Err(differs(key)),
    }
}

fn differs(key: &str) -> Error {
    let message = format!("object storage has another snapshot at {key:?}; nothing was replaced");
    Error::conflict("snapshot_cold_differs", message)
}

/// Gets a part and checks it.
async fn get<B: BlobStore>(
    blobs: &B,
    key: &str,
    part: &ColdPart,
    start: &PartStart,
) -> Result<Vec<Frame>> {
    let which = || format!("{key:?} of snapshot {}", start.snapshot);
    let found = blobs.get(key, None).await.map_err(|e| match e.kind() {
        Kind::NotFound => {
            let message = format!("{} is not in object storage", which());
            Error::new(Kind::Corrupt, "snapshot_part_missing", message)
        }
        _ => e,
    })?;
    if !is_body(&found, part) {
        let message = format!("{} is not what was put there", which());
        return Err(Error::new(Kind::Corrupt, "snapshot_damaged", message));
    }
    frames(&found, start)
}

/// Finds the manifests of some snapshots: one look at the keys for each, however many parts it has.
async fn discover<B: BlobStore>(
    blobs: &B,
    prefix: &str,
    of_it: &str,
    mut after: String,
) -> Result<TransferOutcome> {
    let root = format!("{prefix}{of_it}");
    let (mut found, mut bytes) = (Vec::new(), 0);
    while found.len() < FOUND_MAX && bytes < FOUND_BYTES_MAX {
        let behind = (!after.is_empty()).then(|| format!("{prefix}{after}"));
        let next = blobs.list(&root, behind.as_deref(), 1).await?;
        let Some(name) = next.first().and_then(|blob| blob.key.strip_prefix(&root)) else {
            return Ok(TransferOutcome::Found(found, None));
        };
        let snapshot = name.split_once('/').map_or(name, |(snapshot, _)| snapshot);
        let key = format!("{of_it}{snapshot}/{COLD_MANIFEST}");
        let here = format!("{of_it}{name}");
        if here > key {
            // A stranger behind the manifest, which was looked at.
            after = here;
            continue;
        }
        after = key.clone();
        match blobs.get(&format!("{prefix}{key}"), None).await {
            Ok(body) if body.len() <= COLD_MANIFEST_BYTES_MAX => {
                bytes += body.len();
                found.push((key, body.to_vec()));
            }
            // Too long to be one: an empty one does not read, and is skipped.
            Ok(_) => found.push((key, Vec::new())),
            // It was not put there whole.
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(TransferOutcome::Found(found, Some(after)))
}
