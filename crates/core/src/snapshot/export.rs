//! A snapshot as the bytes of its file, from any byte on.

use tidelog_log::{Error, Result, put_bytes, put_varint};

use super::file::{FRAME_BYTES, Frame, FrameKind, Head, MAGIC, encode};
use super::sources;
use crate::folded::{Entry, Manifest, tag_of};
use crate::sql::Sql;
use crate::table::snapshots::{self, PartKind};
use crate::table::{blobs, schema};
use crate::{Snapshot, SnapshotTier, View};

/// The file of a snapshot: the snapshots it builds on are in it too. The same snapshot makes the same
/// bytes each time, so that a download can go on where it broke off.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    snapshot: Snapshot,
    head: Vec<u8>,
    schema: Vec<u8>,
    links: Vec<Snapshot>,
    frames: Vec<(u64, Content)>,
    bytes: u64,
}

/// Where a frame's body comes from.
#[derive(Clone, Debug)]
enum Content {
    Head,
    Schema,
    Link(usize),
    Blob(usize, u32, Box<Entry>),
    Part(usize, PartKind, u32, u64),
    End,
}

impl SnapshotFile {
    /// Looks up what is in the file of a snapshot.
    ///
    /// # Errors
    /// `unknown_snapshot`, `snapshot_incomplete`, `snapshot_chain_broken`, `snapshot_cold`.
    pub fn open(view: &View, sql: &dyn Sql, id: &str) -> Result<Self> {
        let snapshot = sources::complete(sql, id)?;
        let links = sources::chain(sql, &snapshot)?;
        Self::of_links(view, sql, links)
    }

    /// The file of a snapshot alone, as it is in object storage: of an incremental it says what it builds
    /// on, and does not have that.
    pub(crate) fn open_link(view: &View, sql: &dyn Sql, id: &str) -> Result<Self> {
        Self::of_links(view, sql, vec![sources::complete(sql, id)?])
    }

    fn of_links(view: &View, sql: &dyn Sql, links: Vec<Snapshot>) -> Result<Self> {
        if let Some(cold) = links.iter().find(|link| link.tier == SnapshotTier::Cold) {
            let message = format!("snapshot {} is in object storage; recall it first", cold.id);
            let error = Error::conflict("snapshot_cold", message).at("snapshot");
            return Err(error.with("link", cold.id.clone()));
        }
        let snapshot = links.last().cloned();
        let snapshot = snapshot.ok_or_else(|| Error::internal("a file has no snapshot"))?;
        let newest = links.iter().map(|link| link.schema_version).max();
        let schema = schema::of_version(sql, newest.unwrap_or(0))?;
        let head = Head {
            type_name: view.address.type_name.clone(),
            id: view.address.id.clone(),
            snapshot: snapshot.id.clone(),
            links: links.len() as u64,
        };
        let internal = |e: serde_json::Error| Error::internal(e.to_string());
        let mut file = Self {
            snapshot,
            head: serde_json::to_vec(&head).map_err(internal)?,
            schema: schema.into_bytes(),
            links,
            frames: Vec::new(),
            bytes: MAGIC.len() as u64,
        };
        file.plan(sql)?;
        Ok(file)
    }

    /// What the file is of.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// How long it is, bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes from `offset` on, whole frames of about `most`; empty at the end.
    ///
    /// # Errors
    /// `unknown_snapshot` when it was deleted meanwhile; `corrupt`.
    pub fn read(&self, sql: &dyn Sql, offset: u64, most: usize) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        if offset >= self.bytes {
            return Ok(out);
        }
        if offset < MAGIC.len() as u64 {
            let from = usize::try_from(offset).unwrap_or(0);
            out.extend_from_slice(&MAGIC[from..]);
        }
        let after = self.frames.partition_point(|(start, _)| *start <= offset);
        for (index, (start, content)) in self.frames.iter().enumerate().skip(after.max(1) - 1) {
            if !out.is_empty() && out.len() >= most {
                break;
            }
            let (kind, body) = self.body(sql, content)?;
            let frame = Frame::new(index as u64, kind, body);
            let bytes = encode(&frame, self.snapshot.id.as_bytes());
            let end = self
                .frames
                .get(index + 1)
                .map_or(self.bytes, |(next, _)| *next);
            if *start + bytes.len() as u64 != end {
                return Err(sources::find(sql, &self.snapshot.id)
                    .err()
                    .unwrap_or_else(|| Error::corrupt("a part of a snapshot changed")));
            }
            let skipped = usize::try_from(offset.saturating_sub(*start)).unwrap_or(0);
            out.extend_from_slice(&bytes[skipped.min(bytes.len())..]);
        }
        Ok(out)
    }

    /// Lists the frames, with where each begins.
    fn plan(&mut self, sql: &dyn Sql) -> Result<()> {
        self.add(Content::Head, self.head.len());
        self.add(Content::Schema, self.schema.len());
        for (at, link) in self.links.clone().into_iter().enumerate() {
            self.add(Content::Link(at), link_body(&link)?.len());
            let mut after = None;
            while let Some(part) = snapshots::next_part(sql, &link.id, PartKind::Manifest, after)? {
                let manifest = Manifest::decode(&part.body)?;
                for entry in manifest.blobs {
                    let mask = mask(sql, &link.id, part.collection, entry.id)?;
                    let before = blob_prefix(part.collection, &entry, &mask).len();
                    let length = before + usize::try_from(entry.bytes).unwrap_or(0);
                    self.add(Content::Blob(at, part.collection, Box::new(entry)), length);
                }
                after = Some((part.collection, part.number));
            }
            for kind in [PartKind::Documents, PartKind::Segment, PartKind::Records] {
                for (collection, number, length) in snapshots::lengths(sql, &link.id, kind)? {
                    let before = part_prefix(kind, collection, number).len();
                    self.add(Content::Part(at, kind, collection, number), before + length);
                }
            }
        }
        self.add(Content::End, end_body(self.frames.len() + 1).len());
        Ok(())
    }

    fn add(&mut self, content: Content, body: usize) {
        self.frames.push((self.bytes, content));
        self.bytes += (body + FRAME_BYTES) as u64;
    }

    fn body(&self, sql: &dyn Sql, content: &Content) -> Result<(FrameKind, Vec<u8>)> {
        let gone = || Error::corrupt("a part of a snapshot is missing");
        let link = |at: usize| self.links.get(at).ok_or_else(gone);
        Ok(match content {
            Content::Head => (FrameKind::Head, self.head.clone()),
            Content::Schema => (FrameKind::Schema, self.schema.clone()),
            Content::Link(at) => (FrameKind::Link, link_body(link(*at)?)?),
            Content::Blob(at, collection, entry) => {
                let mask = mask(sql, &link(*at)?.id, *collection, entry.id)?;
                let mut body = blob_prefix(*collection, entry, &mask);
                let blob = blobs::body(sql, entry.id)?;
                if tag_of(&blob) != entry.tag {
                    // The frame's own checksum would say that it is right.
                    let message = format!("blob {} is not what was stored", entry.id);
                    return Err(Error::corrupt(message));
                }
                body.extend(blob);
                (FrameKind::Blob, body)
            }
            Content::Part(at, kind, collection, number) => {
                let place = (*collection, *number);
                let part = snapshots::part(sql, &link(*at)?.id, *kind, place)?;
                let mut body = part_prefix(*kind, *collection, *number);
                body.extend(part.ok_or_else(gone)?);
                (frame_of(*kind), body)
            }
            Content::End => (FrameKind::End, end_body(self.frames.len())),
        })
    }
}

fn link_body(link: &Snapshot) -> Result<Vec<u8>> {
    serde_json::to_vec(&link.as_written()).map_err(|e| Error::internal(e.to_string()))
}

fn end_body(frames: usize) -> Vec<u8> {
    let mut body = Vec::new();
    put_varint(&mut body, frames as u64);
    body
}

fn mask(sql: &dyn Sql, snapshot: &str, collection: u32, blob: u64) -> Result<Vec<u8>> {
    let found = snapshots::part(sql, snapshot, PartKind::Mask, (collection, blob))?;
    Ok(found.unwrap_or_default())
}

fn blob_prefix(collection: u32, entry: &Entry, mask: &[u8]) -> Vec<u8> {
    let mut manifest = Manifest::default();
    // The blob's own id says nothing elsewhere, and is another one once the snapshot was recalled.
    let mut entry = entry.plain();
    entry.id = 0;
    manifest.add(entry);
    let mut body = Vec::new();
    put_varint(&mut body, u64::from(collection));
    put_bytes(&mut body, &manifest.encode());
    put_bytes(&mut body, mask);
    body
}

fn part_prefix(kind: PartKind, collection: u32, number: u64) -> Vec<u8> {
    let mut body = Vec::new();
    if kind == PartKind::Documents {
        put_varint(&mut body, u64::from(collection));
    }
    put_varint(&mut body, number);
    body
}

fn frame_of(kind: PartKind) -> FrameKind {
    match kind {
        PartKind::Documents => FrameKind::Documents,
        PartKind::Segment => FrameKind::Segment,
        _ => FrameKind::Records,
    }
}
