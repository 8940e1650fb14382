//! What a blob says of its columns and pages without decoding them.

use arrow_schema::DataType;

use crate::Scalar;

/// How a column's values are to be understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColumnKind {
    /// As their Arrow type says.
    #[default]
    Plain,
    /// Texts that are JSON: Utf8 in Arrow, CBOR in the blob where the text comes back exactly.
    Json,
}

/// What a caller says of a column to encode; its type is that of its array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// A number that names the column for ever, unique in its blob.
    pub id: u32,
    /// A name for people.
    pub name: String,
    /// How to understand the values.
    pub kind: ColumnKind,
}

impl ColumnSpec {
    /// A plain column.
    pub fn plain(id: u32, name: impl Into<String>) -> Self {
        Self::of_kind(id, name, ColumnKind::Plain)
    }

    /// A column of JSON texts.
    pub fn json(id: u32, name: impl Into<String>) -> Self {
        Self::of_kind(id, name, ColumnKind::Json)
    }

    fn of_kind(id: u32, name: impl Into<String>, kind: ColumnKind) -> Self {
        Self {
            id,
            name: name.into(),
            kind,
        }
    }
}

/// A column as the index of a blob describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The number its writer gave it.
    pub id: u32,
    /// Its name for people.
    pub name: String,
    /// The type of the arrays it decodes to.
    pub data_type: DataType,
    /// How to understand the values.
    pub kind: ColumnKind,
    /// Its pages, in order of rows.
    pub pages: Vec<Page>,
}

impl Column {
    /// Bytes of all its pages.
    pub fn bytes(&self) -> usize {
        self.pages.iter().map(|page| page.bytes).sum()
    }
}

/// A page as the index of a blob describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// How many rows it holds.
    pub rows: usize,
    /// How many of them are null.
    pub nulls: usize,
    /// No value that is not null is below this. `None`: unknown (no values, NaN, lists, JSON).
    pub min: Option<Scalar>,
    /// No value that is not null is above this.
    pub max: Option<Scalar>,
    /// True if `min` is one of the values, not a shortened one.
    pub min_is_exact: bool,
    /// True if `max` is one of the values, not a shortened one.
    pub max_is_exact: bool,
    /// Where its bytes begin in the blob.
    pub offset: usize,
    /// How many bytes it takes.
    pub bytes: usize,
    /// XXH3-64 of those bytes.
    pub(crate) checksum: u64,
}
