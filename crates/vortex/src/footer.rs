//! The last bytes of a blob: how much there is, and the checksum of everything but pages and sections.

use bytes::Bytes;

use crate::hash::frame_checksum;
use crate::header::{HEADER_BYTES, Header, MAGIC};
use crate::wire::Reader;
use crate::{Error, Result};

/// Size of the footer.
pub(crate) const FOOTER_BYTES: usize = 28;

/// Checksum and magic, which the checksum does not cover.
const TAIL_BYTES: usize = 12;

/// What a blob says last, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) rows: usize,
    /// Where the index begins.
    pub(crate) index_at: usize,
}

impl Footer {
    /// Ends a blob whose index, the last thing in `out`, began at `index_at`; `head` is its header with metadata.
    pub(crate) fn encode(
        rows: usize,
        index_at: usize,
        head: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let short =
            |n: usize| u32::try_from(n).map_err(|_| Error::too_large(format!("{n} in 32 bits")));
        let index_bytes = short(out.len() - index_at)?;
        out.extend_from_slice(&short(rows)?.to_le_bytes());
        out.extend_from_slice(&index_bytes.to_le_bytes());
        let blob_bytes = (out.len() - 8 + FOOTER_BYTES) as u64;
        out.extend_from_slice(&blob_bytes.to_le_bytes());
        let checksum = frame_checksum(&out[..head], &out[index_at..]);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(&MAGIC);
        Ok(())
    }

    /// Reads it from the end of a whole blob and checks lengths, magic and checksum.
    pub(crate) fn decode(blob: &Bytes, header: &Header) -> Result<Self> {
        let frame = HEADER_BYTES + FOOTER_BYTES;
        let Some(body) = blob.len().checked_sub(frame) else {
            return Err(Error::corrupt("shorter than a header and a footer"));
        };
        let mut reader = Reader::new(blob.slice(blob.len() - FOOTER_BYTES..));
        let (rows, index_bytes) = (reader.u32()?, reader.u32()?);
        let (blob_bytes, checksum) = (reader.u64()?, reader.u64()?);
        if reader.take(MAGIC.len())?[..] != MAGIC {
            return Err(Error::corrupt(
                "no magic at the end: the blob is cut or altered",
            ));
        }
        if blob_bytes != blob.len() as u64 {
            let length = blob.len();
            return Err(Error::corrupt(format!(
                "{length} bytes, {blob_bytes} declared"
            )));
        }
        let index_bytes = usize::try_from(index_bytes).unwrap_or(usize::MAX);
        let left = body.checked_sub(header.metadata_bytes);
        let Some(left) = left.and_then(|left| left.checked_sub(index_bytes)) else {
            return Err(Error::corrupt(
                "metadata and index are longer than the blob",
            ));
        };
        let head = HEADER_BYTES + header.metadata_bytes;
        let index_at = head + left;
        let after = &blob[index_at..blob.len() - TAIL_BYTES];
        if frame_checksum(&blob[..head], after) != checksum {
            return Err(Error::corrupt("the checksum of header, index and footer"));
        }
        let rows = usize::try_from(rows).map_err(|_| Error::too_large("rows"))?;
        Ok(Self { rows, index_at })
    }
}
