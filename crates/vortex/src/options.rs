//! What a caller may choose.

use crate::limits;

/// What an encoder weighs more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Decodes fastest: light encodings only.
    Fast,
    /// General compression only where it clearly pays.
    #[default]
    Balanced,
    /// The fewest bytes.
    Small,
}

/// How to encode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Rows of every page but the last, 1 to 65,536.
    pub page_rows: usize,
    /// What to weigh more.
    pub profile: Profile,
    /// Most bytes of the blob; more is [`Kind::TooLarge`](crate::Kind::TooLarge).
    pub bytes_max: usize,
    /// Most rows of the blob; more is [`Kind::TooLarge`](crate::Kind::TooLarge).
    pub rows_max: usize,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            page_rows: limits::PAGE_ROWS,
            profile: Profile::default(),
            bytes_max: limits::BLOB_BYTES_MAX,
            rows_max: limits::BLOB_ROWS_MAX,
        }
    }
}
