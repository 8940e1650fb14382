//! The first bytes of a blob: what it is, and who may read it.

use bytes::Bytes;

use crate::node::ALL_FEATURES;
use crate::wire::Reader;
use crate::{Error, Result};

/// Begins and ends a blob.
pub(crate) const MAGIC: [u8; 4] = *b"TLVB";

/// The magic of LF AI's `.vortex` files, which are something else.
const FOREIGN_MAGIC: &[u8] = b"VTXF";

/// The newest version this crate reads, and the only one it writes.
pub(crate) const VERSION: u8 = 1;

/// Feature bits this version must understand and does: each announces an encoding.
pub(crate) const UNDERSTOOD: u32 = ALL_FEATURES;

/// Where the feature bits stand that a reader must understand.
pub(crate) const FEATURES_AT: usize = 8;

/// Size without the metadata.
pub(crate) const HEADER_BYTES: usize = 24;

/// What a blob says of itself first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u8,
    /// A reader that does not know one of these bits must not read the blob.
    pub(crate) features: u32,
    /// A reader may ignore these bits.
    pub(crate) optional_features: u32,
    pub(crate) metadata_bytes: usize,
}

impl Header {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let metadata = u32::try_from(self.metadata_bytes)
            .map_err(|_| Error::too_large("metadata of more than 4 GiB"))?;
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[self.version, 0, 0, 0]);
        out.extend_from_slice(&self.features.to_le_bytes());
        out.extend_from_slice(&self.optional_features.to_le_bytes());
        out.extend_from_slice(&0_u32.to_le_bytes());
        out.extend_from_slice(&metadata.to_le_bytes());
        Ok(())
    }

    /// Reads it from the front of a whole blob, refusing what this version may not read.
    pub(crate) fn decode(blob: &Bytes) -> Result<Self> {
        let mut reader = Reader::new(blob.clone());
        let magic = reader.take(MAGIC.len())?;
        if magic[..] == *FOREIGN_MAGIC {
            return Err(Error::unsupported(
                "a .vortex file of LF AI, not a blob of Tidelog",
            ));
        }
        if magic[..] != MAGIC {
            return Err(Error::corrupt(
                "not a Vortex blob of Tidelog: another magic",
            ));
        }
        let version = reader.u8()?;
        if version != VERSION {
            return Err(Error::unsupported(format!("a blob of version {version}")));
        }
        let reserved = [reader.u8()?, reader.u8()?, reader.u8()?];
        let features = reader.u32()?;
        if features & !UNDERSTOOD != 0 {
            return Err(Error::unsupported(format!(
                "a blob with features {features:#x}"
            )));
        }
        let optional_features = reader.u32()?;
        let key_id = reader.u32()?;
        if key_id != 0 {
            return Err(Error::unsupported(format!(
                "a blob encrypted with key {key_id}"
            )));
        }
        if reserved != [0; 3] {
            return Err(Error::corrupt("reserved bytes of the header"));
        }
        let metadata_bytes = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        Ok(Self {
            version,
            features,
            optional_features,
            metadata_bytes,
        })
    }
}
