//! Blobs put together by hand from `docs/format/vortex-blob.md`, so that they may be wrong.

use twox_hash::XxHash3_64;

/// A blob with one column and one page, all of which a test may alter before it is sealed.
#[derive(Clone)]
pub(crate) struct Handmade {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u8,
    pub(crate) features: u32,
    pub(crate) optional_features: u32,
    pub(crate) key_id: u32,
    pub(crate) rows: u32,
    pub(crate) page_rows: u64,
    pub(crate) data_type: Vec<u8>,
    pub(crate) nulls: u64,
    pub(crate) page: Vec<u8>,
    pub(crate) bounds: Vec<u8>,
}

/// Tags of types.
pub(crate) const BOOLEAN: u8 = 1;
pub(crate) const INT64: u8 = 5;
pub(crate) const UTF8: u8 = 12;

impl Handmade {
    pub(crate) fn new(tag: u8, rows: u32, page: &[u8]) -> Self {
        Self {
            magic: *b"TLVB",
            version: 1,
            features: 0,
            optional_features: 0,
            key_id: 0,
            rows,
            page_rows: 8_192,
            data_type: vec![tag],
            nulls: 0,
            page: page.to_vec(),
            bounds: vec![0],
        }
    }

    pub(crate) fn blob(&self) -> Vec<u8> {
        let mut blob = self.magic.to_vec();
        blob.extend_from_slice(&[self.version, 0, 0, 0]);
        for number in [self.features, self.optional_features, self.key_id, 0] {
            blob.extend_from_slice(&number.to_le_bytes());
        }
        blob.extend_from_slice(&self.page);
        let index_at = blob.len();
        put_varint(&mut blob, self.page_rows);
        // One column: number 1, name `x`, plain.
        blob.extend_from_slice(&[1, 1, 1, b'x', 0]);
        blob.extend_from_slice(&self.data_type);
        put_varint(&mut blob, self.page.len() as u64);
        blob.extend_from_slice(&XxHash3_64::oneshot(&self.page).to_le_bytes());
        put_varint(&mut blob, self.nulls);
        blob.extend_from_slice(&self.bounds);
        blob.push(0);
        let index_bytes = u32::try_from(blob.len() - index_at).unwrap();
        blob.extend_from_slice(&self.rows.to_le_bytes());
        blob.extend_from_slice(&index_bytes.to_le_bytes());
        let blob_bytes = blob.len() as u64 + 20;
        blob.extend_from_slice(&blob_bytes.to_le_bytes());
        blob.extend_from_slice(&[0; 8]);
        blob.extend_from_slice(b"TLVB");
        seal(&mut blob);
        blob
    }
}

/// Puts the right checksum into the footer of a blob that was altered.
pub(crate) fn seal(blob: &mut [u8]) {
    let end = blob.len();
    let number = |at: usize| u32::from_le_bytes(blob[at..at + 4].try_into().unwrap()) as usize;
    let head = (24 + number(20)).min(end - 28);
    let index_at = (end - 28).saturating_sub(number(end - 24)).max(head);
    let seed = XxHash3_64::oneshot(&blob[..head]);
    let checksum = XxHash3_64::oneshot_with_seed(seed, &blob[index_at..end - 12]);
    blob[end - 12..end - 4].copy_from_slice(&checksum.to_le_bytes());
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(u8::try_from(n & 0x7f).unwrap() | 0x80);
        n >>= 7;
    }
    out.push(u8::try_from(n).unwrap());
}
