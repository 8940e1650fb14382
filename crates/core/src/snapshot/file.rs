//! A snapshot as a file: frames, each with a checksum of its own. `docs/format/snapshot.md`.
//!
//! Reading needs no database: [`FileReader`] takes bytes as they come and hands out frames that are whole.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidelog_log::{Error, Kind, Result};

use super::admit::Admitted;

/// What a file begins with.
pub const MAGIC: [u8; 4] = *b"TLS\x01";
/// Bytes of one frame's body at most.
pub const BODY_BYTES_MAX: usize = 2_100_000;
/// Bytes of a frame beside its body.
pub const FRAME_BYTES: usize = 1 + 4 + CHECK_BYTES;
/// Frames of one file at most.
pub const FRAMES_MAX: u64 = 4_000_000;
const CHECK_BYTES: usize = 16;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// JSON: what the file is, [`Head`].
    Head = 1,
    /// JSON: the newest schema version of its documents.
    Schema = 2,
    /// JSON: a snapshot; its parts follow.
    Link = 3,
    /// Documents: `varint` collection, `bytes` its entry of a manifest, `bytes` its mask, the blob.
    Blob = 4,
    /// A part of documents that are in no blob: `varint` collection, `varint` number, its bytes.
    Documents = 5,
    /// Records as a segment: `varint` number, its bytes.
    Segment = 6,
    /// A part of a record: `varint` number, its bytes.
    Records = 7,
    /// `varint`: how many frames there are, this one included. Nothing follows.
    End = 8,
}

impl FrameKind {
    const ALL: [Self; 8] = [
        Self::Head,
        Self::Schema,
        Self::Link,
        Self::Blob,
        Self::Documents,
        Self::Segment,
        Self::Records,
        Self::End,
    ];

    fn of(byte: u8) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| *kind as u8 == byte);
        found.ok_or_else(|| {
            let message = format!("a snapshot's file has a frame of kind {byte}");
            Error::new(Kind::Unsupported, "unsupported_format", message)
        })
    }
}

/// One frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its place, from 0.
    pub index: u64,
    /// What it holds.
    pub kind: FrameKind,
    /// What it holds.
    pub body: Vec<u8>,
    /// What was found in it, where someone looked before the object does.
    pub(super) admitted: Option<Arc<Admitted>>,
}

impl Frame {
    /// A frame that nobody has looked at.
    pub fn new(index: u64, kind: FrameKind, body: Vec<u8>) -> Self {
        Self {
            index,
            kind,
            body,
            admitted: None,
        }
    }

    /// Looks at every row of a frame's blob, which takes most of the time of an import and needs no
    /// object: a host can do it on other threads, before the turn. What is wrong the turn says.
    pub fn admit(&mut self) {
        if self.kind == FrameKind::Blob {
            self.admitted = Admitted::of(&self.body).ok().map(Arc::new);
        }
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        (self.index, self.kind, &self.body) == (other.index, other.kind, &other.body)
    }
}

impl Eq for Frame {}

/// The first frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The object's type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The object's id.
    pub id: String,
    /// The snapshot that the file is of: its last link.
    pub snapshot: String,
    /// How many snapshots are in it: the full one, and the incrementals that build on it.
    pub links: u64,
}

/// The bytes of a frame: kind, length, body, check. The check covers the frame's place, so that none
/// can be missing, and the salt, so that none can be of another file.
pub fn encode(frame: &Frame, salt: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(frame.body.len() + FRAME_BYTES);
    out.push(frame.kind as u8);
    let length = u32::try_from(frame.body.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&frame.body);
    let check = check(frame.index, salt, &out);
    out.extend_from_slice(&check);
    out
}

fn check(index: u64, salt: &[u8], frame: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&index.to_le_bytes())
        .update(salt)
        .update(frame);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK_BYTES]);
    check
}

/// Takes a file's bytes as they come, and hands out its frames.
#[derive(Clone, Debug, Default)]
pub struct FileReader {
    waiting: Vec<u8>,
    /// Frames handed out.
    index: u64,
    /// Where the next frame begins.
    offset: u64,
    salt: Vec<u8>,
    ended: bool,
}

impl FileReader {
    /// Goes on in a file after so many frames and bytes; `snapshot` is what its head names.
    pub fn resume(frames: u64, offset: u64, snapshot: &str) -> Self {
        Self {
            index: frames,
            offset,
            salt: snapshot.as_bytes().to_vec(),
            ..Self::default()
        }
    }

    /// Where the next frame begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// True once the last frame was handed out.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Takes more bytes: the frames that are whole now.
    ///
    /// # Errors
    /// `corrupt` when bytes are not those of a snapshot's file, `unsupported_format` for a later version.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Frame>> {
        self.waiting.extend_from_slice(bytes);
        let mut frames = Vec::new();
        let mut at = 0;
        if self.index == 0 && self.offset == 0 {
            let Some(magic) = self.waiting.get(..MAGIC.len()) else {
                return Ok(frames);
            };
            if magic[..3] != MAGIC[..3] {
                return Err(Error::corrupt("the file is not a snapshot's"));
            }
            if magic != MAGIC {
                let message = format!("the file has version {}; this reads {}", magic[3], MAGIC[3]);
                return Err(Error::new(Kind::Unsupported, "unsupported_format", message));
            }
            at = MAGIC.len();
            self.offset = at as u64;
        }
        while let Some((frame, length)) = self.frame(&self.waiting[at..])? {
            if self.ended {
                return Err(Error::corrupt("the file goes on after its end"));
            }
            if self.index == 0 {
                let head: Head = json(&frame.body)?;
                self.salt = head.snapshot.into_bytes();
            }
            at += length;
            self.offset += length as u64;
            self.index += 1;
            self.ended = frame.kind == FrameKind::End;
            frames.push(frame);
        }
        self.waiting.drain(..at);
        if self.ended && !self.waiting.is_empty() {
            return Err(Error::corrupt("the file goes on after its end"));
        }
        Ok(frames)
    }

    /// The bytes are all: an error unless they end where a file does.
    ///
    /// # Errors
    /// `truncated` with the offset to go on at.
    pub fn finish(&self) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        let message = format!(
            "the file ends within frame {} at byte {}",
            self.index, self.offset
        );
        Err(Error::invalid("snapshot_truncated", message).with("offset", self.offset))
    }

    /// The first frame of these bytes and how long it is, once it is there.
    fn frame(&self, bytes: &[u8]) -> Result<Option<(Frame, usize)>> {
        let Some((head, rest)) = bytes.split_at_checked(5) else {
            return Ok(None);
        };
        let place = || format!("frame {} at byte {}", self.index, self.offset);
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if length > BODY_BYTES_MAX {
            let message = format!(
                "{} declares {length} bytes of at most {BODY_BYTES_MAX}",
                place()
            );
            return Err(Error::corrupt(message));
        }
        if self.index >= FRAMES_MAX {
            let message = format!("a snapshot's file has at most {FRAMES_MAX} frames");
            return Err(Error::too_large("snapshot_too_large", message));
        }
        let Some((body, rest)) = rest.split_at_checked(length) else {
            return Ok(None);
        };
        let Some(declared) = rest.get(..CHECK_BYTES) else {
            return Ok(None);
        };
        let salt = match self.index {
            // The head says the salt; the other frames show that it is the right one.
            0 => json::<Head>(body)
                .map_err(|_| Error::corrupt(format!("{} is no head", place())))?
                .snapshot
                .into_bytes(),
            _ => self.salt.clone(),
        };
        if check(self.index, &salt, &bytes[..5 + length]) != *declared {
            return Err(Error::corrupt(format!(
                "{} does not match its checksum",
                place()
            )));
        }
        let frame = Frame::new(self.index, FrameKind::of(head[0])?, body.to_vec());
        Ok(Some((frame, 5 + length + CHECK_BYTES)))
    }
}

/// Reads a frame's JSON.
///
/// # Errors
/// `corrupt`.
pub(super) fn json<T: for<'d> Deserialize<'d>>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body)
        .map_err(|e| Error::corrupt(format!("a frame of a snapshot's file does not read: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let head = Head {
            type_name: "t".to_owned(),
            id: "o".to_owned(),
            snapshot: "s".to_owned(),
            links: 1,
        };
        let mut out = MAGIC.to_vec();
        let bodies = [
            (FrameKind::Head, serde_json::to_vec(&head).unwrap()),
            (FrameKind::Segment, vec![1, 2, 3]),
            (FrameKind::Segment, vec![4]),
            (FrameKind::End, vec![4]),
        ];
        for (index, (kind, body)) in (0..).zip(bodies) {
            out.extend(encode(&Frame::new(index, kind, body), b"s"));
        }
        out
    }

    fn read(bytes: &[u8], step: usize) -> Result<Vec<Frame>> {
        let mut reader = FileReader::default();
        let mut frames = Vec::new();
        for piece in bytes.chunks(step) {
            frames.extend(reader.push(piece)?);
        }
        reader.finish()?;
        Ok(frames)
    }

    #[test]
    fn a_file_reads_in_pieces_of_any_length_and_from_any_frame_on() {
        let file = file();
        let frames = read(&file, file.len()).unwrap();
        assert_eq!(frames.len(), 4);
        for step in 1..9 {
            assert_eq!(read(&file, step).unwrap(), frames);
        }
        let mut first = FileReader::default();
        first.push(&file[..file.len() - 30]).unwrap();
        let mut rest = FileReader::resume(first.index, first.offset(), "s");
        let left = rest.push(&file[usize::try_from(first.offset()).unwrap()..]);
        assert_eq!(
            left.unwrap(),
            frames[usize::try_from(first.index).unwrap()..]
        );
    }

    #[test]
    fn every_flipped_bit_every_cut_and_every_moved_frame_is_found() {
        let file = file();
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&flipped, 7).is_err(), "bit {bit}");
        }
        for end in 0..file.len() {
            assert!(read(&file[..end], 64).is_err(), "cut at {end}");
        }
        let again = [file.as_slice(), b"\0"].concat();
        assert!(read(&again, again.len()).is_err());
        // The third frame in the place of the second.
        let second = 5 + 3 + CHECK_BYTES;
        let third = 5 + 1 + CHECK_BYTES;
        let at = file.len() - third - third - second;
        let mut moved = file[..at].to_vec();
        moved.extend(&file[at + second..at + second + third]);
        moved.extend(&file[at..at + second]);
        moved.extend(&file[at + second + third..]);
        assert!(read(&moved, 64).is_err());
    }
}
