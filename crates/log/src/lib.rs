//! The change log of a digital object, as values and bytes.
//!
//! Holds what an event is, where a reader stands (offsets), and how one turn becomes one
//! hash-chained record that can be stored in parts. It knows nothing of SQLite, HTTP, clocks or
//! files: every function is pure, and every decoder checks lengths before it allocates.
//!
//! The byte layouts are in `docs/format/log-record.md`; the constants in [`limits`].

pub mod limits;

mod error;
pub use error::{Error, Kind, Result};

mod wire;
pub use wire::{Reader, put_bytes, put_varint};

mod value;
pub use value::{FieldType, Value, ValueRef};

mod calendar;
pub use calendar::{
    date_from_text, date_to_text, push_timestamp, timestamp_from_text, timestamp_to_text,
    year_month_of,
};

mod row;
pub use row::{FieldId, FieldRef, OldValue, RawFields, Row};

mod position;
pub use position::{Epoch, Offset, Sequence, StartAt};

mod event;
pub use event::{Event, Operation, Turn};

mod record;
pub use record::{
    AdoptedRows, BlobName, BlobReference, ChangeRef, Hash, RawChange, RawImage, RawRecord, Record,
    RecordHeader, RecordWriter, join_parts, split_parts,
};

mod batch;
pub use batch::{Batch, BatchRange, BatchWriter, PackedBatch, RawEvent};

mod filter;
pub use filter::EventFilter;
