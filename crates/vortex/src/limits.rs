//! Every limit of the format and of this reader. A blob over one of them is an error before memory is taken.

/// Most bytes of a blob by default: one row of a Durable Object's SQLite holds 2 MB.
pub const BLOB_BYTES_MAX: usize = 1_900_000;

/// Most rows of a blob by default. The format itself counts rows in 32 bits.
pub const BLOB_ROWS_MAX: usize = 65_536;

/// Rows of a page by default.
pub const PAGE_ROWS: usize = 8_192;

/// Most rows of a page that the format allows.
pub const PAGE_ROWS_MAX: usize = 65_536;

/// Most columns of a blob.
pub const COLUMNS_MAX: usize = 4_096;

/// Most pages of a blob, over all columns.
pub const PAGES_MAX: usize = 1 << 20;

/// Most bytes of a column's name.
pub const NAME_BYTES_MAX: usize = 1_024;

/// Most sections that a caller gives a blob.
pub const SECTIONS_MAX: usize = 1_024;

/// Most sections of a blob with the format's own: a few for each column.
pub const ALL_SECTIONS_MAX: usize = SECTIONS_MAX + 4 * COLUMNS_MAX;

/// Most bytes of the values of one page to encode, as Arrow holds them.
pub const PAGE_BYTES_MAX: usize = 8 << 20;

/// Most bytes that decoding one page may take, over all steps: several times [`PAGE_BYTES_MAX`],
/// because a step's outcome stands beside what it is made from.
pub const PAGE_DECODED_BYTES_MAX: usize = 64 << 20;

/// Most bytes of one column once decoded, where it is read whole.
pub const COLUMN_DECODED_BYTES_MAX: usize = 512 << 20;

/// Most elements of one list, and of a fixed-size list or binary value.
pub const WIDTH_MAX: usize = 1 << 20;

/// Most bytes of a text or binary bound in the column index; longer ones are cut.
pub const BOUND_BYTES_MAX: usize = 32;

/// Most nodes on a path of an encoding tree.
pub const TREE_DEPTH_MAX: usize = 12;
